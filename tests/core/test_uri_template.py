"""URI templates read backwards: what RFC 6570 expands them to matches, and little else."""

import pytest

from ringback.core.uri_template import MAX_VARIABLES, compile_template
from ringback.errors import MalformedRequest

# RFC 6570, the examples of §1.2 and §3.2 (with its values), and what none of its values makes.
EXPANSIONS = {
    "{var}": ["value", "", "Hello%20World%21"],
    "O{undef}X": ["OX"],
    "{x,y}": ["1024,768"],
    "?{x,empty}": ["?1024,"],
    "{var:3}": ["val", "%20ab"],
    "{list}": ["red,green,blue"],
    "{list*}": ["red,green,blue"],
    "{keys}": ["semi,%3B,dot,.,comma,%2C"],
    "{keys*}": ["semi=%3B,dot=.,comma=%2C"],
    "{+base}index": ["http://example.com/home/index"],
    "up{+path}{var}/here": ["up/foo/barvalue/here"],
    "{+x,hello,y}": ["1024,Hello%20World!,768"],
    "{+path:6}/here": ["/foo/b/here"],
    "{+keys*}": ["semi=;,dot=.,comma=,"],
    "{#var}": ["#value"],
    "{#path,x}/here": ["#/foo/bar,1024/here"],
    "foo{#empty}": ["foo#", "foo"],
    "www{.dom*}": ["www.example.com"],
    "X{.list}": ["X.red,green,blue"],
    "X{.keys*}": ["X.semi=%3B.dot=..comma=%2C"],
    "{/var,x}/here": ["/value/1024/here"],
    "{/list*,path:4}": ["/red/green/blue/%2Ffoo"],
    "{/var,empty}": ["/value/"],
    "{;x,y,empty}": [";x=1024;y=768;empty"],
    "{;keys*}": [";semi=%3B;dot=.;comma=%2C"],
    "{;hello:5}": [";hello=Hello"],
    "{?x,y,empty}": ["?x=1024&y=768&empty="],
    "{?x,y,undef}": ["?x=1024&y=768"],
    "{?undef,y}": ["?y=768", ""],
    "{?list*}": ["?list=red&list=green&list=blue"],
    "{?keys*}": ["?semi=%3B&dot=.&comma=%2C"],
    "?fixed=yes{&x}": ["?fixed=yes&x=1024", "?fixed=yes"],
    "{&var:3}": ["&var=val"],
    "https://example.com/users/foo/{?topic}": [
        "https://example.com/users/foo/",
        "https://example.com/users/foo/?topic=https%3A%2F%2Fexample.com%2Fbooks%2F1",
    ],
}
OTHERS = {
    "https://example.com/books/{id}": [
        "https://example.com/books/1/2",
        "https://example.com/books/a:b",
        "https://example.com/books/%4",
        "https://example.com/books",
        "https://example.com/books/1\n",
    ],
    "{var:3}": ["valu", "%20abc"],
    "{;a,b}": [";b;a"],
    "{?a}": ["?b=1", "a=1", "?a=1&a=2"],
    "{/a,b}": ["/1/2/3"],
    "x{#a}": ["xa"],
    "[{a}]": ["a", "(a)"],
}


@pytest.mark.parametrize("template", EXPANSIONS)
def test_an_expansion_matches(template: str) -> None:
    automaton = compile_template(template)
    for text in EXPANSIONS[template]:
        assert automaton.matches(text), text
        assert not automaton.matches(text + " ")


@pytest.mark.parametrize("template", OTHERS)
def test_what_is_no_expansion_does_not(template: str) -> None:
    automaton = compile_template(template)
    for text in OTHERS[template]:
        assert not automaton.matches(text), text


@pytest.mark.parametrize(
    "template",
    [
        "{",
        "}",
        "a{b",
        "{}",
        "{a b}",
        "{=a}",
        "{a:0}",
        "{a:101}",
        "{a:x}",
        "{{a}}",
        "{a,,b}",
        "{%4}",
        "{" + ",".join(f"v{n}" for n in range(MAX_VARIABLES + 1)) + "}",
        "{+a:99}" * 30,
    ],
)
def test_no_template(template: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        compile_template(template)
    assert len(refused.value.detail) > 20


def test_no_template_makes_matching_expensive() -> None:
    """With backtracking this would not end."""
    automaton = compile_template("{a}{b}{c}{d}{e}{f}{g}{h}!")
    assert not automaton.matches("a" * 2000)
    assert automaton.matches("a" * 2000 + "!")
