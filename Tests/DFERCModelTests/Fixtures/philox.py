"""Philox 4x32-10 (Salmon et al., SC'11) and the dropout masks drawn from it, in NumPy."""

from __future__ import annotations

import numpy as np

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
MASK = 0xFFFFFFFF


def philox(counters: np.ndarray, key: int) -> np.ndarray:
    """Four random words for each counter.

    Args:
        counters: [count, 4], 32-bit values, least significant word first.
        key: 64 bits, low word first.

    Returns:
        [count, 4] of uint64, each value below 2^32.
    """
    w0, w1, w2, w3 = (counters[:, i].astype(np.uint64) for i in range(4))
    key0, key1 = key & MASK, key >> 32
    for _ in range(10):
        first, second = w0 * np.uint64(MULTIPLIERS[0]), w2 * np.uint64(MULTIPLIERS[1])
        w0, w1, w2, w3 = (
            (second >> np.uint64(32)) ^ w1 ^ np.uint64(key0),
            second & np.uint64(MASK),
            (first >> np.uint64(32)) ^ w3 ^ np.uint64(key1),
            first & np.uint64(MASK),
        )
        key0, key1 = (key0 + KEY_INCREMENTS[0]) & MASK, (key1 + KEY_INCREMENTS[1]) & MASK
    return np.stack([w0, w1, w2, w3], axis=1)


def fnv1a(text: str) -> int:
    """The 32-bit FNV-1a hash of a string."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & MASK
    return value


def stream_words(count: int, seed: int, purpose: str, step: int, item: int) -> np.ndarray:
    """The first words of a stream: counter (block, item, step, hash of the purpose)."""
    blocks = (count + 3) // 4
    counters = np.empty((blocks, 4), dtype=np.uint64)
    counters[:, 0] = np.arange(blocks)
    counters[:, 1] = item & MASK
    counters[:, 2] = step & MASK
    counters[:, 3] = fnv1a(purpose)
    return philox(counters, seed).reshape(-1)[:count]


def dropout_keeps(
    count: int, probability: float, seed: int, purpose: str, step: int, item: int
) -> np.ndarray:
    """Which elements survive dropout: those whose word reaches the threshold."""
    threshold = round(probability * 2**32)
    return stream_words(count, seed, purpose, step, item) >= threshold


def self_test() -> None:
    """Known answers of Random123 (kat_vectors, philox4x32 10)."""
    vectors = [
        ((0, 0, 0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((MASK,) * 4, 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            0x299F31D0_A4093822,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ]
    for counter, key, expected in vectors:
        words = philox(np.array([counter], dtype=np.uint64), key)[0]
        assert tuple(int(word) for word in words) == expected, (counter, words)


self_test()
