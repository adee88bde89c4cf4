from uuid import RFC_4122, UUID

import numpy as np

from sources.simulator.draws import Draws, hex_texts, stable_bits, uuid_texts

NUMBERS = np.arange(50_000, dtype=np.uint64)


def test_a_draw_depends_on_seed_purpose_and_number_only() -> None:
    whole = Draws(7).bits("fate", NUMBERS)
    assert (Draws(7).bits("fate", NUMBERS[100:200]) == whole[100:200]).all()
    assert (Draws(8).bits("fate", NUMBERS) != whole).all()
    assert (Draws(7).bits("size", NUMBERS) != whole).all()
    assert int(Draws(7).bits("fate", NUMBERS[:1])[0]) == 14653525975516334175


def test_uniform_draws_fill_the_interval() -> None:
    drawn = Draws(1).uniform("x", NUMBERS)
    assert drawn.min() > 0 and drawn.max() < 1
    counts = np.histogram(drawn, bins=20, range=(0, 1))[0]
    assert abs(counts - 2500).max() < 300


def test_choices_follow_their_weights() -> None:
    counts = np.bincount(Draws(1).choice("x", NUMBERS, np.cumsum([6.0, 3.0, 1.0])), minlength=3)
    assert abs(counts / len(NUMBERS) - [0.6, 0.3, 0.1]).max() < 0.01


def test_ids_are_valid_and_distinct() -> None:
    draws = Draws(3)
    ids = uuid_texts(draws.bits("high", NUMBERS), draws.bits("low", NUMBERS))
    assert ids.n_unique() == len(NUMBERS)
    for text in ids.head(50):
        assert str(UUID(text)) == text
        assert (UUID(text).version, UUID(text).variant) == (8, RFC_4122)


def test_hex_is_the_number() -> None:
    bits = np.array([0, 1, 2**64 - 1, 0x0123456789ABCDEF], dtype=np.uint64)
    assert hex_texts(bits).to_list() == [f"{int(b):016x}" for b in bits]
    assert stable_bits("a", 1) != stable_bits("a1")
