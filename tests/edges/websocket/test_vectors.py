"""The vectors' frames, sent to a real server: what is an action is carried out or refused for what
it asks, and what is none is answered as they say.
"""

from tests.edges.websocket.talking import Server
from tests.wire.protocol_vectors import vectors


async def test_every_action_of_the_vectors_is_understood(server: Server) -> None:
    for vector in vectors("actions"):
        async with server.talk() as talk:
            await talk.connection.send(vector["frame"])
            own = vector["decoded"].get("id")
            if own is None:
                own = "after"
                await talk.send(action="ping", id=own)
            answer = await talk.hear()
            while answer.get("id") != own:
                answer = await talk.hear()
            code = answer.get("problem", {}).get("type", "")
            assert answer["type"] in ("reply", "pong", "error"), vector["name"]
            assert not code.endswith((":malformed-request", ":unknown-action")) or (
                vector["decoded"]["action"] == "submit"  # whose key or time may be at fault
            ), vector["name"]


async def test_what_the_vectors_refuse_is_refused(server: Server) -> None:
    for vector in vectors("refused"):
        if "hex" in vector:  # no text: such a frame closes the connection
            continue
        frame = vector.get("frame")
        if frame is None:
            many = vector["repeat"]
            frame = many["prefix"] + many["text"] * many["times"] + many["suffix"]
        async with server.talk() as talk:
            await talk.connection.send(frame)
            answer = await talk.hear()
            assert answer["type"] == "error", vector["name"]
            assert answer["problem"]["type"].endswith(f":{vector['problem']}"), vector["name"]
            assert answer.get("id") == vector["id"], vector["name"]
