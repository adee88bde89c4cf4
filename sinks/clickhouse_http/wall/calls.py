"""What can be said of a statement without a tree, and so for every statement and clause alike."""

from collections.abc import Sequence

from sqlglot.tokenizer_core import Token, TokenType

from sinks.clickhouse_http.wall.lists import check_function, check_system_table
from sinks.clickhouse_http.wall.refused import Refused
from sinks.clickhouse_http.wall.tokens import KEYWORDS, begins_of_lambdas, is_apply, is_name, windows


def check_tokens(tokens: Sequence[Token]) -> None:
    """Check all names in front of parentheses, all tables of `system`, and that nothing is written.

    Raises:
        Refused: with the word that is not allowed.
    """
    lambdas = begins_of_lambdas(tokens)
    for before, token, after in windows(tokens):
        word = token.text.lower()
        quoted = token.token_type is TokenType.IDENTIFIER
        if token.token_type is TokenType.SEMICOLON:
            raise Refused("one statement at a time")
        if word in {"into", "outfile", "infile"} and token.token_type is not TokenType.STRING and not quoted:
            raise Refused(
                "INSERT INTO and INTO OUTFILE are not allowed: nothing is written without the token"
            )
        if word == "parallel" and not quoted and after is not None and after.text.lower() == "with":
            raise Refused("PARALLEL WITH is not allowed")
        if after is not None and after.start not in lambdas and is_apply(before, token, after):
            if after.token_type is TokenType.L_PAREN:
                raise Refused("APPLY with parentheses is not canonical")
            check_function(after.text)
        if after is not None and after.token_type is TokenType.L_PAREN and is_name(token):
            aliased = before is not None and before.text.lower() == "as"
            if quoted or not (aliased or KEYWORDS.issuperset(word.split())):
                check_function(token.text)
    for first, dot, name in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if dot.token_type is TokenType.DOT and first.text.lower() == "system" and is_name(name):
            check_system_table(name.text)
