"""Ask Around Me: ask the people around you, and answer them.

FastAPI serves what is answered at once (``app``), Ringback what is done behind a queue and told to
everybody (``tasks``), in one process or in several. ``uvicorn ask_around_me.app:app`` runs it.
"""
