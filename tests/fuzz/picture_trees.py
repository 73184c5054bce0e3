"""`make fuzz-trees`: random trees of pictures are imported; is each picture where it belongs?"""

import argparse
import io
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

from jobyard.shared.archives.safe_names import safe_name
from jobyard.shared.errors import WorkError
from jobyard.shared.pictures import decoded
from jobyard.workers.datasets.importer import import_pictures
from jobyard.workers.runtime.progress import NoProgress
from tests.fuzz.trees import Tree, Truth, draw, number_of

LIMIT = 50_000_000


def misread(seed: int) -> str | None:
    """What is wrong with the import of the tree of that seed; None if nothing is."""
    tree = draw(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, output = tree.write(folder), folder / "out" / "pictures.zip"
        try:
            imported = import_pictures(source, output, LIMIT, NoProgress())
        except WorkError as error:
            if not (tree.needs_consent and "would be left out" in error.message):
                return f"refused: {error.message}"
            imported = import_pictures(source, output, LIMIT, NoProgress(), allow_partial=True)
        else:
            if tree.needs_consent:
                return "imported in part without being allowed to"
        if imported.rejected_count != tree.left_out:
            return f"{imported.rejected_count} files left out, not {tree.left_out}: {imported.rejected}"
        told = " ".join(imported.report["warnings"])
        if tree.unexpected and f"{tree.unexpected} of " not in told and "no label" not in told:
            return f"{tree.unexpected} files were left out without a word: {told}"
        return _differing(tree, _found(output))


def _found(output: Path) -> Truth:
    """What became of the pictures."""
    found: Truth = Counter()
    with zipfile.ZipFile(output) as archive:
        for name in archive.namelist():
            part, class_name, _ = name.split("/")
            with decoded(io.BytesIO(archive.read(name))) as image:
                colour = image.getpixel((7, 7))
            found[part, class_name, number_of(colour if isinstance(colour, tuple) else ())] += 1
    return found


def _differing(tree: Tree, found: Truth) -> str | None:
    truth = Counter({(part, safe_name(name), number): n for (part, name, number), n in tree.truth.items()})
    if found == truth:
        return None
    return f"missing {dict(truth - found)}, and instead {dict(found - truth)}"


def main() -> int:
    """Print which trees were misread; 1 if any was."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.picture_trees", description=__doc__)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1, help="of the first tree; each next one has the next")
    chosen = parser.parse_args()
    wrong = 0
    for seed in range(chosen.seed, chosen.seed + chosen.trees):
        problem = misread(seed)
        if problem is not None:
            wrong += 1
            tree = draw(seed)
            sys.stdout.write(f"tree {seed} ({tree.style}, {tree.packing}): {problem}\n")
    sys.stdout.write(f"{chosen.trees:,} trees, {wrong:,} misread\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
