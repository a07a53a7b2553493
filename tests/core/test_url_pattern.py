"""URL patterns: the examples of the standard's documents, and what is no pattern."""

import pytest

from ringback.core.url_pattern import UrlPattern
from ringback.errors import MalformedRequest

BASE = "http://localhost:8000/.well-known/mercure"

MATCHES = {
    "https://example.com/books/:id": (
        [
            "https://example.com/books/1",
            "https://EXAMPLE.com:443/books/1",
            "https://example.com/books/1?x=2#f",
            "https://example.com/a/../books/1",
        ],
        [
            "https://example.com/books/",
            "https://example.com/books/1/2",
            "http://example.com/books/1",
            "https://example.com:81/books/1",
            "https://example.com/Books/1",
            "https://user@example.org/books/1",
        ],
    ),
    "/books/*": (
        ["/books/1/2", "http://localhost:8000/books/", "http://localhost:8000/books/x?q"],
        ["https://localhost:8000/books/1", "/book", "http://localhost/books/1"],
    ),
    "books/:id": (["http://localhost:8000/.well-known/books/1"], ["http://localhost:8000/books/1"]),
    "https://*.example.com/*": (["https://a.b.example.com/x"], ["https://example.com/x"]),
    "https://:sub.example.com": (["https://a.example.com/x"], ["https://a.b.example.com/x"]),
    "https://example.com/:a/:b?": (
        ["https://example.com/x", "https://example.com/x/y"],
        ["https://example.com/", "https://example.com/x/", "https://example.com/x/y/z"],
    ),
    "https://example.com/:path+": (
        ["https://example.com/x", "https://example.com/x/y/z"],
        ["https://example.com/", "https://example.com/x//z"],
    ),
    "https://example.com/a/:path*": (
        ["https://example.com/a", "https://example.com/a/x/y"],
        ["https://example.com/ab"],
    ),
    r"https://example.com/:id(\d{2,3})": (
        ["https://example.com/12", "https://example.com/123"],
        ["https://example.com/1", "https://example.com/1234", "https://example.com/ab"],
    ),
    "https://example.com/(en|de)/x": (
        ["https://example.com/en/x", "https://example.com/de/x"],
        ["https://example.com/ende/x", "https://example.com/fr/x"],
    ),
    "https://example.com/([^a-y]+)": (["https://example.com/z1"], ["https://example.com/b"]),
    "https://example.com/{books/}?x": (
        ["https://example.com/x", "https://example.com/books/x"],
        ["https://example.com/b/x"],
    ),
    r"https://example.com/\:id\*": (["https://example.com/:id*"], ["https://example.com/1"]),
    "https://example.com/a?q=*": (
        ["https://example.com/a?q=1", "https://example.com/a?q=1#f"],
        ["https://example.com/a", "https://example.com/a?r=1"],
    ),
    "https://example.com?q": (["https://example.com/?q"], ["https://example.com/a?q"]),
    "https://example.com/a#:part": (["https://example.com/a#b"], ["https://example.com/a"]),
    "?q": (["http://localhost:8000/.well-known/mercure?q"], ["http://localhost:8000/?q"]),
    "*://example.com/a": (["https://example.com/a", "ftp://example.com/a"], ["https://x.com/a"]),
    "https://example.com:*/a": (["https://example.com:81/a", "https://example.com/a"], []),
    "https://u:(p)@example.com/": (["https://u:p@example.com/"], ["https://u:q@example.com/"]),
    "https://example.com": (["https://example.com/", "https://example.com/x"], ["chat", ":", ""]),
}


@pytest.mark.parametrize("pattern", MATCHES)
def test_matching(pattern: str) -> None:
    matching, others = MATCHES[pattern]
    compiled = UrlPattern(pattern, BASE)
    for url in matching:
        assert compiled.matches(url), url
    for url in others:
        assert not compiled.matches(url), url


@pytest.mark.parametrize(
    "pattern",
    [
        "https://example.com/(",
        "https://example.com/(a",
        "https://example.com/(a))(",
        "https://example.com/{a",
        "https://example.com/a}",
        "https://example.com/{a{b}}",
        "https://example.com/\\",
        r"https://example.com/(\1)",
        "https://example.com/(^a)",
        "https://example.com/(?=a)",
        "https://example.com/(*a)",
        "https://example.com/(a{2,1})",
        "https://example.com/(a{1,101})",
        "https://example.com/([z-a]b{)",
        "https://example.com/((((((((((((((((((((((a))))))))))))))))))))))",
        "https://example.com/((?:a{100}){100})",
    ],
)
def test_no_pattern(pattern: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        UrlPattern(pattern, BASE)
    assert len(refused.value.detail) > 20


def test_no_pattern_makes_matching_expensive() -> None:
    """With backtracking this would not end."""
    pattern = UrlPattern("https://example.com/((?:a|a)*(?:a*)*b)", BASE)
    assert not pattern.matches("https://example.com/" + "a" * 2000)
    assert pattern.matches("https://example.com/aaab")
