"""Whether .dockerignore leaves in what the images copy: paths come on standard input, each with a zero
byte after it. The rules are Docker's: the last pattern that matches a path or a folder above it decides,
and `!` takes back in.

    printf '%s\\0' <path...> | python check_context.py <.dockerignore>
"""

import posixpath
import re
import sys
from pathlib import Path

PIECE = re.compile(r"\*\*/|\*\*|\*|\?|\[[^\]]*\]|\\.|.", re.S)
MEANING = {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def meaning(piece):
    if len(piece) > 1 and piece[0] == "[":
        return piece
    return MEANING.get(piece) or re.escape(piece[-1])


def rules_of(text):
    for line in text.splitlines():
        pattern = line.strip()
        if pattern and not line.startswith("#"):
            path = posixpath.normpath(pattern.removeprefix("!").strip()).lstrip("/")
            yield re.compile("".join(map(meaning, PIECE.findall(path)))), pattern[0] != "!"


def is_left_out(path, rules):
    parts = path.split("/")
    places = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    found = [left_out for rule, left_out in rules if any(map(rule.fullmatch, places))]
    return bool(found) and found[-1]


def main():
    file = Path(sys.argv[1])
    rules = list(rules_of(file.read_text()))
    lost = {path for path in sys.stdin.read().split("\0") if path and is_left_out(path, rules)}
    for path in sorted(lost):
        print(f"{file} leaves out {path}, which an image copies.", file=sys.stderr)
    sys.exit(bool(lost))


main()
