"""Admits what a reader may run: exactly one SELECT, WITH, SHOW, DESCRIBE or EXPLAIN that stays inside the warehouse.

The engine has no accounts, and ``readonly = 1`` still lets a statement read and write files of the machine
(the scalar ``file()``, ``INTO OUTFILE``), so statements are judged by their tokens before they reach it. What
cannot be read for certain is refused.
"""

from __future__ import annotations

from models.errors import StatementRefused
from sql.tokens import Token, tokens

ALLOWED_TABLE_FUNCTIONS = frozenset(
    {
        "generate_series",
        "generateseries",
        "merge",
        "null",
        "numbers",
        "numbers_mt",
        "values",
        "view",
        "zeros",
        "zeros_mt",
    }
)
"""Table functions that make their rows themselves, or from tables of the warehouse."""

REFUSED_FUNCTIONS = frozenset(
    """
    aiclassify aiembed aiextract aifilter aigenerate airedact aisimilarity aitranslate
    arrowflight arrowstream azureblobstorage azureblobstoragecluster bigquery catboostevaluate
    cluster clusterallreplicas cosn
    deltalake deltalakeazure deltalakeazurecluster deltalakecluster deltalakelocal deltalakes3 deltalakes3cluster
    dictionary eval executable file filecluster filesystem fuzzjson fuzzquery gcs generaterandom
    hascolumnintable hdfs hdfscluster hive hudi hudicluster
    iceberg icebergazure icebergazurecluster icebergcluster iceberghdfs iceberghdfscluster iceberglocal
    iceberglocalcluster icebergs3 icebergs3cluster
    input jdbc loop mergetreeanalyzeindexes mergetreeanalyzeindexesuuid mergetreecodecblockcounts
    mergetreeindex mergetreeprojection mergetreetextindex meilisearch mongodb mysql odbc oss
    paimon paimonazure paimonazurecluster paimoncluster paimonhdfs paimonhdfscluster paimonlocal paimons3
    paimons3cluster postgresql primes prometheusquery prometheusqueryrange python redis remote remotesecure
    reversednsquery s3 s3cluster sqlite sqlstandardvalues
    timeseriesdata timeseriesmetricfamilies timeseriesmetrics timeseriessamples timeseriesselector timeseriestags
    url urlcluster viewexplain viewifpermitted ytsaurus
    """.split()  # noqa: SIM905 (a table of names reads better than a hundred literals)
)
"""Functions that reach files, other servers or programs, or run text as SQL; a test compares it with the engine.

``format`` is a scalar function too and stays: as a table function it is refused by ``readonly = 1``."""

BARE_REFUSED = frozenset(
    """
    aiclassify aiembed aiextract aifilter aigenerate airedact aisimilarity aitranslate
    catboostevaluate file fuzzquery hascolumnintable
    """.split()  # noqa: SIM905
)
"""The scalar ones, refused without brackets too: ``APPLY file``, ``APPLY(file)`` and ``arrayMap(file, ...)`` call a
function by its bare name. Functions that make tables cannot be called so, and columns may have their names."""

_END = Token("symbol", "", 0, 0)
_FIRST_WORDS = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN")


def admit(text: str) -> None:
    """Returns when a reader may run ``text``.

    Raises:
        StatementRefused: it is anything else; the sentence says what.
    """
    seen = list(tokens(text))
    while seen and seen[-1].text == ";":
        seen.pop()
    if not seen or not seen[0].is_word(*_FIRST_WORDS):
        raise StatementRefused("only one SELECT, WITH, SHOW, DESCRIBE or EXPLAIN is read here")
    for place, token in enumerate(seen):
        _admit_token(token, seen[place + 1 : place + 3])


def stays_inside(text: str) -> None:
    """Returns when a writer's statement reaches no file, server or program.

    Raises:
        StatementRefused: it calls a function that does.
    """
    seen = list(tokens(text))
    for token, after in zip(seen, [*seen[1:], _END], strict=True):
        if token.kind == "unclear":
            raise StatementRefused(f"the statement cannot be read from character {token.start + 1} on")
        if after.text == "(" and token.name in REFUSED_FUNCTIONS:
            raise StatementRefused(f"the function {token.name} is not available here")


def _admit_token(token: Token, following: list[Token]) -> None:
    after = following[0] if following else _END
    if token.kind == "unclear":
        raise StatementRefused(f"the statement cannot be read from character {token.start + 1} on")
    if token.kind == "string" and token.text.startswith("$"):
        raise StatementRefused("texts between $ signs are not taken: use '...'")
    if token.kind == "quoted" and "\\" in token.text:
        raise StatementRefused("backslashes in quoted names are not taken")
    if token.text == ";":
        raise StatementRefused("only one statement at a time is taken")
    if token.is_word("INTO") and after.is_word("OUTFILE", "DUMPFILE", "TABLE"):
        raise StatementRefused("INTO OUTFILE would write a file: use --format and redirect the output")
    if token.is_word("INSERT") and after.is_word("INTO"):
        raise StatementRefused("INSERT changes the warehouse: only reads are taken")
    if token.is_word("SETTINGS") and after.name and len(following) > 1 and following[1].text == "=":
        raise StatementRefused("a SETTINGS clause is not available to readers")
    if token.text == ":" and after.is_word("IDENTIFIER"):
        raise StatementRefused("a parameter of type Identifier is not available to readers")
    if token.name in BARE_REFUSED or (after.text == "(" and token.name in REFUSED_FUNCTIONS):
        raise StatementRefused(f"the function {token.name} is not available to readers")
