"""The token of one operation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.core.model import OperationState, Policy
from ringback.errors import Unauthenticated
from ringback.ids import new_id
from ringback.security.tokens import PREFIX, SEALED, TOKEN_LENGTH, OperationTokens

NOW = 1_800_000_000.0
TOKENS = OperationTokens(b"a secret of at least 32 bytes ..", lifetime=60)


def operation(created_at: float = NOW) -> OperationState:
    return OperationState(
        id=new_id(created_at),
        task="t",
        input=b"{}",
        policy=Policy(),
        created_at=created_at,
        updated_at=created_at,
    )


def test_a_token_opens_its_operation_until_it_expires() -> None:
    state = operation()
    token = TOKENS.make(state)
    assert len(token) == TOKEN_LENGTH
    assert token.startswith(PREFIX)
    assert TOKENS.opens(token, state.id, NOW) == TOKENS.expires_at(state) == NOW + 60
    assert TOKENS.opens(token, state.id, NOW + 59.9) == NOW + 60
    with pytest.raises(Unauthenticated, match="expired"):
        TOKENS.opens(token, state.id, NOW + 60)


def test_an_operation_always_has_the_same_token() -> None:
    state = operation()
    assert TOKENS.make(state) == TOKENS.make(state)
    same = OperationTokens(b"a secret of at least 32 bytes ..", lifetime=60)
    assert same.make(state) == TOKENS.make(state)


def test_another_operation_or_another_secret_is_not_opened() -> None:
    state, other = operation(), operation()
    stranger = OperationTokens(b"another secret of >= 32 bytes ..", lifetime=60)
    assert TOKENS.opens(TOKENS.make(other), state.id, NOW) is None
    assert TOKENS.opens(stranger.make(state), state.id, NOW) is None


def test_a_longer_life_cannot_be_claimed() -> None:
    state = operation()
    longer = OperationTokens(b"a secret of at least 32 bytes ..", lifetime=600)
    mixed = longer.make(state)[:11] + TOKENS.make(state)[11:]
    assert TOKENS.opens(mixed, state.id, NOW) is None


def test_every_changed_character_is_noticed() -> None:
    state = operation()
    token = TOKENS.make(state)
    for index in range(len(PREFIX), len(token)):
        for other in "A_-9z":
            if other != token[index]:
                assert (
                    TOKENS.opens(token[:index] + other + token[index + 1 :], state.id, NOW) is None
                )


def test_what_is_kept_of_a_token_opens_the_same_and_is_none() -> None:
    state, other = operation(), operation()
    token = TOKENS.make(state)
    kept = TOKENS.seal(token)
    assert kept is not None
    assert token[len(PREFIX) + 8 :] not in kept
    assert TOKENS.opens_sealed(kept, state.id, NOW) == NOW + 60
    assert TOKENS.opens_sealed(kept, other.id, NOW) is None
    with pytest.raises(Unauthenticated, match="expired"):
        TOKENS.opens_sealed(kept, state.id, NOW + 60)
    # Neither is taken for the other, whatever it begins with.
    for text in (kept, PREFIX + kept[len(PREFIX) :]):
        assert TOKENS.opens(text, state.id, NOW) is None
    for text in (token, SEALED + token[len(PREFIX) :]):
        assert TOKENS.opens_sealed(text, state.id, NOW) is None
    assert TOKENS.seal("something else") is None


@given(st.text())
def test_no_text_opens_anything(text: str) -> None:
    state = operation()
    assert TOKENS.opens(text, state.id, NOW) is None
    assert TOKENS.opens(PREFIX + text, state.id, NOW) is None
    assert TOKENS.opens((PREFIX + text + 28 * "A")[:TOKEN_LENGTH], state.id, NOW) is None
