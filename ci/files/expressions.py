"""Expressions of GitHub Actions, as far as the action uses them. Never knows a step."""

import re

TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(\d+)|(==|!=|&&|\|\||[!()])|([A-Za-z_][\w.-]*))")


def evaluate(text, contexts):
    """The value of an expression, without `${{ }}`."""
    tokens, at = [], 0
    text = text.strip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise ValueError(f"no expression of GitHub, or one that is not known here: {text}")
        tokens.append(found.group().strip())
        at = found.end()
    value, rest = _either(tokens, contexts)
    if rest:
        raise ValueError(f"{text}: what is {rest} doing there?")
    return value


def filled(text, contexts):
    """A text with its `${{ … }}` filled in, as a step's environment has it."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: _text(evaluate(found.group(1), contexts)), str(text))


def _text(value):
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _either(tokens, contexts):
    value, tokens = _both(tokens, contexts)
    while tokens[:1] == ["||"]:
        other, tokens = _both(tokens[1:], contexts)
        value = value or other
    return value, tokens


def _both(tokens, contexts):
    value, tokens = _compared(tokens, contexts)
    while tokens[:1] == ["&&"]:
        other, tokens = _compared(tokens[1:], contexts)
        value = value and other
    return value, tokens


def _compared(tokens, contexts):
    value, tokens = _one(tokens, contexts)
    if tokens[:1] in (["=="], ["!="]):
        other, rest = _one(tokens[1:], contexts)
        is_same = _text(value).lower() == _text(other).lower()
        return is_same == (tokens[0] == "=="), rest
    return value, tokens


def _one(tokens, contexts):
    first, rest = tokens[0], tokens[1:]
    if first == "!":
        value, rest = _one(rest, contexts)
        return not value, rest
    if first == "(":
        value, rest = _either(rest, contexts)
        return value, rest[1:]
    if first.startswith("'"):
        return first[1:-1].replace("''", "'"), rest
    if first.isdigit():
        return int(first), rest
    if rest[:2] == ["(", ")"]:
        return contexts["functions"][first](), rest[2:]
    value = contexts
    for key in first.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value, rest
