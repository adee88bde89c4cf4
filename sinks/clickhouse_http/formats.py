"""Output formats: which may be asked for, and what the answer's Content-Type is then."""

# ruff: noqa: SIM905 - long lists of words read better as text than as one string a line

from sinks.clickhouse_http.errors import UNKNOWN_FORMAT, ClickHouseError

_OUTPUT_FORMATS = frozenset(
    """
    arrow arrowstream avro bsoneachrow buffers csv csvwithnames csvwithnamesandtypes customseparated
    customseparatedwithnames customseparatedwithnamesandtypes geojson hash hivetext json jsoncolumns
    jsoncolumnswithmetadata jsoncompact jsoncompactcolumns jsoncompacteachrow jsoncompacteachrowwithnames
    jsoncompacteachrowwithnamesandtypes jsoncompacteachrowwithprogress jsoncompactstrings
    jsoncompactstringseachrow jsoncompactstringseachrowwithnames jsoncompactstringseachrowwithnamesandtypes
    jsoncompactstringseachrowwithprogress jsoneachrow jsoneachrowwithprogress jsonl jsonlines
    jsonobjecteachrow jsonstrings jsonstringseachrow jsonstringseachrowwithprogress lineasstring
    lineasstringwithnames lineasstringwithnamesandtypes markdown md msgpack native ndjson npy null
    odbcdriver2 orc parquet pretty prettycompact prettycompactmonoblock prettycompactnoescapes
    prettycompactnoescapesmonoblock prettyjsoneachrow prettyjsonlines prettymonoblock prettyndjson
    prettynoescapes prettynoescapesmonoblock prettyspace prettyspacemonoblock prettyspacenoescapes
    prettyspacenoescapesmonoblock prometheus protobuf protobuflist protobufsingle raw rawblob rawwithnames
    rawwithnamesandtypes rowbinary rowbinarywithnames rowbinarywithnamesandtypes sqlinsert tabseparated
    tabseparatedraw tabseparatedrawwithnames tabseparatedrawwithnamesandtypes tabseparatedwithnames
    tabseparatedwithnamesandtypes tskv tsv tsvraw tsvrawwithnames tsvrawwithnamesandtypes tsvwithnames
    tsvwithnamesandtypes values vertical xml
    """.split()
)

_CONTENT_TYPES = {
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "native": "application/octet-stream",
    "arrowstream": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}


def check_output_format(name: str) -> None:
    """Let a format pass that the engine can write into a stream of bytes.

    Not among them are chDB's own ("DataFrame" makes a Python object of the whole result, limits or not) and the
    ones that reach for a schema registry, a schema file or another protocol's connection.

    Raises:
        ClickHouseError: UNKNOWN_FORMAT.
    """
    if name.lower() not in _OUTPUT_FORMATS:
        raise ClickHouseError.of(UNKNOWN_FORMAT, f"Unknown format {name}, or none that is answered in here")


def content_type(name: str) -> str:
    """The Content-Type of an answer in this format."""
    return _CONTENT_TYPES.get(name.lower(), "application/octet-stream")
