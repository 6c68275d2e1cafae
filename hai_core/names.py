"""How alike class names are: whatever the order of their words, and across scripts ("RAV4" is written "라브4" in Korean)."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection
from functools import lru_cache

from anyascii import anyascii
from rapidfuzz import fuzz

CONFLICT, MISSING = 0.4, 0.8  # what is left of the similarity for a number that contradicts, or that only one name has

_PART = re.compile(r"(?P<number>\d+)|[가-힣]+|[^\W\d_가-힣]+")
# Sounds of the three parts of a Korean syllable, in Unicode's order.
_INITIALS = ["k", "k", "n", "t", "t", "l", "m", "p", "p", "s", "s", "", "j", "j", "j", "k", "t", "p", "h"]
_VOWELS = ["a", "e", "ia", "ie", "o", "e", "io", "ie", "o", "ua", "ue", "ue", "io", "u", "uo", "ue", "ui", "iu", "", "i", "i"]
_FINALS = ["", "k", "k", "k", "n", "n", "n", "t", "l", "k", "m", "l", "l", "l", "p", "l", "m", "p", "p", "t", "t", "n", "t",
           "t", "k", "t", "p", "t"]
# Latin letters that Korean writes alike, or as one of several, become one; the rules apply one after the other.
_SPOKEN = [(re.compile(pattern), heard) for pattern, heard in {
    "(?<=[aeiouy])r(?![aeiouy])": "", "c(?=[eiy])|sh": "s", "ch|z": "j", "ck|qu|[gcq]": "k", "ng": "n", "th|d": "t",
    "ph|[bvf]": "p", "x": "ks", "r": "l", "y": "i", "w": "u"}.items()]


def similarity(a: str, b: str) -> float:
    """0 (nothing in common) .. 1 (the same name, written another way): how alike the words are, times what the numbers allow.

    Words: each is paired with its likest in the other name, in whatever order, the longer ones counting for more, both ways
    averaged; or both names without their spaces ("Santa Fe", "Santafe"), if that is likelier. Two words of different scripts
    are compared by `sound`. Numbers (years, generations): each that both names miss in the other, "K5 2019" against
    "K5 2021", leaves CONFLICT of the similarity, and each that only one of them has, "K5" against "K5 2019", MISSING.
    """
    (words_a, numbers_a), (words_b, numbers_b) = _parts(a), _parts(b)
    only_a, only_b = (numbers_a - numbers_b).total(), (numbers_b - numbers_a).total()
    conflicts = min(only_a, only_b)
    allowed: float = CONFLICT**conflicts * MISSING ** (max(only_a, only_b) - conflicts)
    if not words_a or not words_b:
        return allowed if words_a == words_b and (numbers_a or a == b) else 0.0
    paired = (_contained(words_a, words_b) + _contained(words_b, words_a)) / 2
    return max(paired, _alike("".join(words_a), "".join(words_b))) * allowed


def numbers(name: str) -> list[str]:
    """The numbers in a name, without leading zeros, in rising order of their digits as text."""
    return sorted(_parts(name)[1].elements())


@lru_cache(1 << 16)
def sound(word: str) -> str:
    """How a word sounds, roughly: one letter for l and r, for p, b, f and v, for t and d, for k and g, for j, z and ch.

    The vowel eu, which Korean puts between consonants, is left out, and so is r where Korean has none: "rav" and "라브" are
    "lap", "spark" and "스파크" "spak". Other scripts are first written in Latin letters as AnyAscii does.
    """
    runs = re.findall("[가-힣]|[^가-힣]+", unicodedata.normalize("NFC", word))  # Korean syllables, and what is between them
    heard = "".join(_of_syllable(run) if "가" <= run <= "힣" else _of_latin(anyascii(run)) for run in runs)
    return re.sub(r"(.)\1+", r"\1", heard)


def consonants(heard: str) -> str:
    """A sound without its vowels, which scripts render least reliably."""
    return re.sub("[aeiou]", "", heard)


@lru_cache(1 << 16)
def _parts(name: str) -> tuple[tuple[str, ...], Counter[str]]:
    """Words (runs of letters of a script) and numbers of a name."""
    words, found = [], Counter[str]()
    for part in _PART.finditer(unicodedata.normalize("NFC", name).casefold()):
        if part["number"]:
            found[part["number"].lstrip("0") or "0"] += 1
        else:
            words.append(part[0])
    return tuple(words), found


def _contained(words: Collection[str], others: Collection[str]) -> float:
    """How well each of `words` is matched in `others`, weighted by how long it sounds."""
    weights = {word: max(len(sound(word)), 1) for word in words}
    matched = sum(weight * max(_alike(word, other) for other in others) for word, weight in weights.items())
    return matched / sum(weights.values())


@lru_cache(1 << 18)
def _alike(a: str, b: str) -> float:
    """Of two words, by their letters (Korean ones by the letters of their syllables); of different scripts also by sound."""
    letters = fuzz.ratio(unicodedata.normalize("NFD", a), unicodedata.normalize("NFD", b)) / 100
    return letters if a.isascii() == b.isascii() else max(letters, sounds_alike(sound(a), sound(b)))


def sounds_alike(a: str, b: str) -> float:
    """0 .. 1 of two sounds: consonants count twice, vowels once."""
    return (2 * fuzz.ratio(consonants(a), consonants(b)) + fuzz.ratio(a, b)) / 300


def _of_syllable(syllable: str) -> str:
    initial, rest = divmod(ord(syllable) - ord("가"), 588)
    vowel, final = divmod(rest, 28)
    return _INITIALS[initial] + _VOWELS[vowel] + _FINALS[final]


def _of_latin(word: str) -> str:
    heard = word.lower()
    for pattern, sounds in _SPOKEN:
        heard = pattern.sub(sounds, heard)
    return heard
