"""All near pairs among a million 64-bit hashes: seconds, memory, and the exact index beside comparing all.

    python -m benchmarks.hamming [--count 1000000] [--radius 8]

Random hashes with 1,000 planted pairs at exactly the radius, all of which must be found. Comparing all is timed on 100,000 of
the hashes, in tiles that stay in the processor's cache; its time grows with the square.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from hai_core import neighbors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--radius", type=int, default=8)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, arguments.count, dtype=np.uint64)
    planted = rng.permutation(arguments.count)[:2000].reshape(-1, 2)
    for original, copy in planted:
        flips = rng.choice(64, arguments.radius, replace=False).astype(np.uint64)
        hashes[copy] = hashes[original] ^ np.bitwise_or.reduce(np.uint64(1) << flips)
    began = time.perf_counter()
    i, j, distance = neighbors.hamming_pairs(hashes, arguments.radius)
    seconds = time.perf_counter() - began
    found = set(zip(i.tolist(), j.tolist(), strict=True))
    missed = [pair for pair in planted.tolist() if (min(pair), max(pair)) not in found]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{arguments.count} hashes, radius {arguments.radius}: {seconds:.1f} s with compilation, peak memory {peak:.2f} GiB; "
          f"{len(i)} pairs, {len(planted) - len(missed)} of {len(planted)} planted ones, largest distance {distance.max()}")
    some = hashes[:100_000]
    times = {}
    for name, few in (("index", 0), ("all distances", 10**18)):
        neighbors.FEW = few
        began = time.perf_counter()
        neighbors.hamming_pairs(some, arguments.radius)
        times[name] = time.perf_counter() - began
    print(f"{len(some)} of them: index {times['index']:.2f} s, all distances {times['all distances']:.2f} s, "
          f"ratio {times['all distances'] / times['index']:.1f}")


if __name__ == "__main__":
    main()
