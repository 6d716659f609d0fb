"""What is source code, and what only looks a little like it."""

import json
from pathlib import Path

import pytest

from hybrid.code_detection import is_code, mostly_code

ROOT = Path(__file__).parents[2]

CODE = {
    "python": '''
def read(path, mode="r"):
    """Read a file, and return what is in it as one text, whatever its encoding may be.

    The text has no line ends but the newline.
    """
    # that may fail
    with open(path, mode) as file:
        return file.read()
''',
    "chinese comments": """
def 读取(路径):
    # 打开文件并返回全部内容
    内容 = open(路径).read()
    return 内容
""",
    "javascript": """
export async function load(url) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(response.status);
  }
  return response.json();
}
""",
    "java": """
public class Main {
    private final List<String> names = new ArrayList<>();

    public static void main(String[] args) {
        System.out.println("hello");
    }
}
""",
    "go": """
package main

import "fmt"

func (s *Server) Serve(port int) error {
	addr := fmt.Sprintf(":%d", port)
	return s.listen(addr)
}
""",
    "c": """
#include <stdio.h>

int main(int argc, char **argv) {
    /* one line for
       each argument */
    for (int i = 1; i < argc; i++)
        printf("%s\\n", argv[i]);
    return 0;
}
""",
    "rust": """
use std::fs;

pub fn read(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.trim().to_string()
}
""",
}
NO_CODE = {
    "prose": "The class of all functions is large. If a function returns, it was called:\n"
    "for example, the import of goods (from abroad) while prices fell; return to the start.\n",
    "markdown": "# Title\n\nCall `f(x)` with care:\n\n```python\n"
    + "x = f(1)\nprint(x)\nreturn x\n" * 20
    + "```\n\n- one (1)\n- two [2](b.md)\n",
    "json": json.dumps({"getName": [1, 2, {"a_b": True}], "text": "f(x) = 1;"}, indent=2),
    "log": "2026-01-01T10:00:00 INFO server.py:12 request_id=7 GET /index.html (200)\n" * 20,
    "csv": "name,year,is_new\nfoo_bar,2020,true\n" * 10,
    "yaml": "name: ci\non: [push]\njobs:\n  test:\n    runs-on: ubuntu\n",
    "chinese": "猫咪满足的时候会打呼噜（有时也在受伤时）。\n狗会向陌生人吠叫；它们摇尾巴。\n",
    "verse": "For all the day, while others sleep;\nif you return, I shall not weep;\n",
    "nothing": "",
}


@pytest.mark.parametrize("name", CODE)
def test_code_is_seen(name):
    assert is_code(CODE[name])
    assert mostly_code([CODE[name]])


@pytest.mark.parametrize("name", NO_CODE)
def test_other_texts_are_no_code(name):
    assert not mostly_code([NO_CODE[name]] * 9)


def test_the_docs_of_this_project_are_prose_and_its_source_is_code():
    pages, modules = (
        [path.read_text("utf-8") for path in sorted((ROOT / folder).glob(pattern))]
        for folder, pattern in (("docs/adr", "*.md"), ("hybrid", "*.py"))
    )
    assert not mostly_code(pages)
    assert mostly_code(modules)


def test_a_third_of_the_texts_must_be_code():
    code, prose = CODE["java"], "The cat sat on the mat."
    assert mostly_code([code, prose, prose])
    assert not mostly_code([code, prose, prose, prose])


def test_one_line_proves_nothing():
    assert not mostly_code(["return x"])
    assert mostly_code(["return x"] * 3)


def test_large_collections_are_sampled_throughout():
    prose, code = ["The cat sat on the mat."] * 1000, [CODE["go"]] * 1000
    assert mostly_code([*prose, *code])
    assert not mostly_code([])
