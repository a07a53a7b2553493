"""What neighbours would say: names, questions, and answers that look like those of people."""

from __future__ import annotations

import math
import random
from typing import NamedTuple, get_args

from .model import Kind, Point

NAMES = ("Amara", "Bruno", "Chiara", "Deniz", "Elif", "Farid", "Greta", "Hiro")
METRES_PER_DEGREE = 111_195.0
"""Of latitude."""
SPREAD = 0.9
"""Stars: how much people differ."""
SPOTS = 3
"""Places that most answers to one question name."""


class Topic(NamedTuple):
    """Something to ask."""

    text: str
    kind: Kind


TOPICS = [
    *(
        Topic(text, "stars")
        for text in (
            "How good is the coffee at the corner of the square?",
            "How clean is the little beach by the bridge today?",
            "How crowded is the farmers' market? Five stars: not at all",
            "How is the new bakery's sourdough?",
            "How was last night's open-air film?",
            "How safe does the new cycle lane feel?",
            "How friendly are the people at the repair café?",
            "How well do the trams run this week?",
            "How quiet is the reading room in the afternoon?",
            "How good is the view from the tower, for what it costs?",
            "How is the lunch at the food truck by the station?",
            "How well kept is the playground behind the school?",
        )
    ),
    *(
        Topic(text, "place")
        for text in (
            "Where do you see the best sunset?",
            "Where is a good place to read outdoors?",
            "Where can children climb trees?",
            "Where is the best ice cream right now?",
            "Where would you put another drinking fountain?",
            "Where do you lock up your bike without worries?",
            "Where is a quiet spot for a phone call?",
            "Where are the first chestnuts?",
            "Where do you go running in the evening?",
            "Where should there be a zebra crossing?",
            "Where have you seen the hedgehog?",
            "Where can one dance on a Friday?",
        )
    ),
]


def topics() -> list[Topic]:
    """All of them in some order, in which both kinds take turns: each is there from the first."""
    mixed = random.sample(TOPICS, len(TOPICS))
    turns = dict.fromkeys(get_args(Kind), 0)

    def turn(topic: Topic) -> int:
        turns[topic.kind] += 1
        return turns[topic.kind]

    return sorted(mixed, key=turn)


def stars(question: str, text: str) -> float:
    """A rating: around what most people think of this question."""
    liked = random.Random(f"{question} {text}").uniform(2.0, 4.6)
    given = random.gauss(liked, SPREAD)
    return min(5.0, max(0.5, round(2 * given) / 2))


def place(question: str, at: Point) -> Point:
    """A place: near one of the few that most people name."""
    agreed = random.Random(question)
    spots = [nearby(at, 2500, agreed) for _ in range(SPOTS)]
    (spot,) = random.choices(spots, weights=range(SPOTS, 0, -1))
    return nearby(spot, 450)


def nearby(at: Point, radius: float, by: random.Random | None = None) -> Point:
    """A point within some metres of another, evenly drawn."""
    by = by or random.Random()
    away = radius * math.sqrt(by.random())
    bearing = by.uniform(0, 2 * math.pi)
    lat = min(89.9, max(-89.9, at.lat + away * math.cos(bearing) / METRES_PER_DEGREE))
    width = METRES_PER_DEGREE * math.cos(math.radians(lat))
    lng = at.lng + away * math.sin(bearing) / width
    return Point(lat=lat, lng=(lng + 180) % 360 - 180)
