"""Makes alignment/tests/golden/answer_files.json from the tools' own sources; run by hand.

    git clone https://github.com/lmarena/arena-hard-auto && git clone https://github.com/lm-sys/FastChat
    python xtask/parity/make_answer_golden.py --arena-hard arena-hard-auto --fastchat FastChat

Takes `count_markdown_elements` and `remove_pattern` from Arena-Hard's utils/add_markdown_info.py and
`temperature_config` from FastChat's llm_judge/common.py by their text, so that nothing of what these files
import has to be there.
"""

import argparse
import ast
import json
import random
import re
from pathlib import Path

TEXTS = [
    "",
    "# One\n## Two\n### Three\n#Four\n####### Seven\n###### Six",
    "#\n##\tTabbed\n # Indented\n#",
    "1. first\n2. second\n  3. third\n4.fourth\n5.\n6. \n10. ten",
    "- a\n* b\n+ c\n-d\n  - e\n\n\n- f\n-\n* ",
    "**bold** and __bold__ and ***both*** and **not\nover lines** and ****",
    "**a**b**c** __x__y__ ** a ** __ _ __",
    "```python\n# comment\n- item\n1. one\n**b**\n```\n# Header\n- item",
    "```\n# comment\n```\n# comment\n",
    "``` # a ` b ```\n```` # c ````\n# d",
    "``````\n# e",
    "unclosed ``` # f\n- g",
    "```a```b```c```\n# a\n# b\n# c",
    "Text # no header\r\n# header\r\n- item\r\n1. one\r\n",
    "\u00a0- after a no-break space\n\u2003# em space\n-\u00a0x",
    "_ __ ___a___ __a_b__ __a b__",
    "* * *\n- - -\n---\n***\n**",
    "1. 2. 3.\n1) no\n1 . no",
]


def functions(path, names):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kept = [
        node
        for node in tree.body
        if (isinstance(node, ast.FunctionDef) and node.name in names)
        or (isinstance(node, ast.Assign) and node.targets[0].id in names)
    ]
    space = {"re": re}
    exec(compile(ast.Module(kept, []), str(path), "exec"), space)
    return [space[name] for name in names]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arena-hard", required=True, type=Path)
    parser.add_argument("--fastchat", required=True, type=Path)
    given = parser.parse_args()
    count, remove = functions(
        given.arena_hard / "utils/add_markdown_info.py", ["count_markdown_elements", "remove_pattern"]
    )
    [temperatures] = functions(given.fastchat / "fastchat/llm_judge/common.py", ["temperature_config"])
    draw = random.Random(1)
    pieces = ["#", "##", " ", " ", "\n", "\n", "-", "*", "**", "__", "_", "1.", "12.", "+", "```", "`", "a", "bc"]
    texts = TEXTS + ["".join(draw.choice(pieces) for _ in range(60)) for _ in range(40)]
    block = re.compile("```([^`]*)```")
    golden = {
        "texts": [{"text": text, "metadata": count(remove(text, block), suffix="")} for text in texts],
        "temperatures": temperatures,
    }
    out = Path(__file__).parents[2] / "alignment/tests/golden/answer_files.json"
    out.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(texts)} texts written to {out}")


if __name__ == "__main__":
    main()
