"""The interface over plain HTTP: what requests may look like, and what is answered."""

import base64
import gzip
import http.client
import json
import re
import shutil
import socket
import subprocess

import pytest

from sinks.clickhouse_http.server import CannotListen, HttpServer, HttpSettings
from sinks.engine import Engine


def test_greetings(ask) -> None:
    assert ask(path="/ping").body == b"Ok.\n"
    assert ask(path="/replicas_status").body == b"Ok.\n"
    assert ask().body == b"Ok.\n"
    assert ask(method="HEAD").status == 200
    assert ask(path="/nothing").status == 404


def test_a_query_in_the_url_in_the_body_and_in_both(ask) -> None:
    assert ask(query="SELECT 1").body == b"1\n"
    assert ask("SELECT 1").body == b"1\n"
    assert ask("1 + 1", query="SELECT").body == b"2\n"
    assert ask("SELECT 1;").body == b"1\n"
    assert ask("-- first\nSELECT 1 /* one */").body == b"1\n"


def test_a_form(ask) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT {a:String}\r\n'
        b'--x\r\nContent-Disposition: form-data; name="param_a"\r\n\r\nyes\r\n--x--\r\n'
    )
    assert ask(body, headers={"Content-Type": "multipart/form-data; boundary=x"}).body == b"yes\n"


@pytest.mark.parametrize(
    ("statement", "arguments", "headers", "expected"),
    [
        ("SELECT 1 AS a", {"default_format": "JSONEachRow"}, {}, b'{"a":1}\n'),
        ("SELECT 1 AS a", {}, {"X-ClickHouse-Format": "CSVWithNames"}, b'"a"\n1\n'),
        ("SELECT 1 AS a FORMAT TSVWithNames", {"default_format": "JSON"}, {}, b"a\n1\n"),
        ("SHOW DATABASES LIKE 'sys%' FORMAT JSONEachRow", {}, {}, b'{"name":"system"}\n'),
        ("SELECT currentDatabase()", {"database": "system"}, {}, b"system\n"),
        ("SELECT currentDatabase()", {}, {"X-ClickHouse-Database": "system"}, b"system\n"),
        ("SELECT {a:UInt8} + {b:UInt8}", {"param_a": 1, "param_b": 2}, {}, b"3\n"),
        ("SELECT {a:Array(String)}", {"param_a": "['x','y']"}, {}, b"['x','y']\n"),
        (
            "SELECT {a:String}",
            {"param_a": "tab\\tline\\nback\\\\slash'"},
            {},
            b"tab\\tline\\nback\\\\slash\\'\n",
        ),
        ("SELECT count() FROM system.{t:Identifier}", {"param_t": "one"}, {}, b"1\n"),
        ("SELECT toDateTime(0)", {"session_timezone": "Asia/Tokyo"}, {}, b"1970-01-01 09:00:00\n"),
        ("SELECT getSetting('max_threads') SETTINGS max_threads = 1", {}, {}, b"1\n"),
        ("SELECT getSetting('max_threads') FORMAT TSV SETTINGS max_threads = 1", {}, {}, b"1\n"),
        ("SELECT 1 FORMAT Null", {}, {}, b""),
        ("SELECT number FROM numbers(3) LIMIT 0 FORMAT CSVWithNames", {}, {}, b'"number"\n'),
    ],
)
def test_formats_databases_parameters_and_settings(ask, statement, arguments, headers, expected) -> None:
    answer = ask(statement, headers=headers, **arguments)
    assert answer.body == expected


def test_headers(ask) -> None:
    answer = ask(
        "SELECT number FROM numbers(7)", query_id="mine", session_id="s", readonly=2, user="x", role="y"
    )
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Format"] == "TabSeparated"
    assert answer.headers["X-ClickHouse-Server-Display-Name"] == "mailwake"
    assert answer.headers["X-ClickHouse-Timezone"]
    assert answer.headers["Access-Control-Allow-Origin"] is None
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["result_rows"] == "7"
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["read_rows"] == "7"


@pytest.mark.parametrize(
    ("statement", "arguments", "status", "code", "says"),
    [
        ("SELEC 1 x", {}, 400, 62, "Syntax error"),
        ("SELECT 1; SELECT 2", {}, 400, 62, "Multi-statements are not allowed"),
        ("SELECT * FROM nowhere", {}, 404, 60, "nowhere"),
        ("SELECT nothing", {}, 404, 47, "nothing"),
        ("SELECT 1", {"database": "nowhere"}, 404, 81, "nowhere"),
        ("SELECT 1", {"default_format": "Nonsense"}, 404, 73, "Nonsense"),
        ("SELECT 1", {"default_format": "JSON' x"}, 400, 36, "not the name of a format"),
        ("SELECT {a:UInt8}", {}, 400, 456, "a"),
        ("SELECT {a:UInt8}", {"param_a": "x"}, 400, 457, "x"),
        ("SELECT 1", {"max_threads": "100"}, 403, 452, "max_threads shouldn't be greater than 2"),
        ("SELECT 1", {"max_memory_usage": "0"}, 403, 452, "max_memory_usage"),
        ("SELECT 1", {"max_threads": "many"}, 400, 36, "whole number"),
        ("SELECT 1", {"format_schema": "/etc/passwd"}, 403, 452, "format_schema"),
        ("SELECT 1", {"additional_result_filter": "file('x')"}, 403, 452, "additional_result_filter"),
        ("SELECT 1 SETTINGS allow_ddl = 1", {}, 403, 452, "allow_ddl"),
        ("SELECT 1 SETTINGS readonly = 0", {}, 403, 164, "readonly"),
        ("SELECT * FROM (SELECT 1 SETTINGS max_threads = 9)", {}, 403, 452, "max_threads"),
        ("SELECT 1 SETTINGS max_threads = 1", {"max_threads": "2"}, 200, 0, "1"),
        ("SELECT throwIf(1)", {}, 500, 395, "throwIf"),
        ("SELECT 1 FORMAT Native", {"client_protocol_version": "x"}, 400, 36, "client_protocol_version"),
        (b"SELECT '\xff'", {}, 400, 62, "UTF-8"),
        ("SELECT '\0'", {}, 400, 62, "NUL"),
        ("", {}, 400, 62, "Empty query"),
        ("SELECT * FROM one", {"database": "information_schema"}, 404, 60, "one"),
    ],
)
def test_errors_are_worded_as_clickhouse_does(ask, statement, arguments, status, code, says) -> None:
    answer = ask(statement, **arguments)
    assert (answer.status, answer.code) == (status, code), answer.body
    assert says in answer.body.decode()
    if code:
        assert re.match(rb"Code: \d+\. DB::Exception: .*\([A-Z_]+\)\n\Z", answer.body, re.DOTALL), answer.body
        assert b"/dev/fd" not in answer.body


def test_what_drivers_send_along_is_taken(ask) -> None:
    """As clickhouse-java, clickhouse-go and clickhouse-connect were seen to do."""
    java = {"async_insert": "0", "compress": "0", "session_timezone": "UTC", "max_result_rows": "200"}
    java |= {"result_overflow_mode": "break", "wait_for_async_insert": "0", "default_format": "RowBinary"}
    go = {"network_compression_method": "lz4", "max_execution_time": "20", "client_protocol_version": "54483"}
    python = {"date_time_input_format": "best_effort", "cast_string_to_dynamic_use_inference": "1"}
    python |= {"wait_end_of_query": "1", "send_progress_in_http_headers": "1", "enable_http_compression": "1"}
    python |= {
        "cancel_http_readonly_queries_on_client_close": "1",
        "http_headers_progress_interval_ms": "120000",
    }
    for arguments in (java, go, python):
        assert ask("SELECT 1", **arguments).status == 200


def test_a_statement_that_is_too_long(ask) -> None:
    answer = ask("SELECT '" + "x" * 2_000_000 + "'")
    assert (answer.status, answer.code) == (413, 223)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT groupArray(number) FROM numbers(100000000)", 241),
        ("SELECT count() FROM numbers(10000000000000)", 159),
        ("SELECT number FROM numbers(50000000) FORMAT Native", 396),
    ],
)
def test_limits_answer_with_their_code(ask, statement, code) -> None:
    """Memory, time and rows; an error after the answer began is in the answer, marked."""
    answer = ask(statement, max_execution_time=1 if code == 159 else 20)
    if answer.status == 200:
        tag = answer.headers["X-ClickHouse-Exception-Tag"].encode()
        assert re.search(
            rb"\r\n__exception__\r\n%b\r\nCode: %d\. .*\n\d+ %b\r\n__exception__\r\n\Z" % (tag, code, tag),
            answer.body,
            re.DOTALL,
        )
    else:
        assert answer.code == code


def test_attacks_over_http(ask, refused: str) -> None:
    """By POST, by GET and with parameters; the other wall and its own tests are in test_wall.py."""
    parameters = {"param_p": "/etc/passwd", "param_u": "users", "param_a": "1", "param_b": "/etc/passwd"}
    for answer in (ask(refused, **parameters), ask(query=refused, **parameters)):
        assert answer.status in {400, 403}
        assert answer.code in {62, 164, 452}
        assert b"root:" not in answer.body


def test_the_first_wall_alone_stops_most(engine: Engine) -> None:
    """What is left if the parser should fail: the engine refuses sources, writing and changed settings."""
    from sinks.clickhouse_http.execution import RunningQuery, Session
    from sinks.clickhouse_http.settings import QueryLimits, reading

    for number, statement in enumerate(
        [
            "SELECT * FROM file('/etc/passwd', 'LineAsString')",
            "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'x String')",
            "SELECT * FROM remote('127.0.0.1:1', system.one)",
            "SELECT * FROM s3('http://127.0.0.1:1/bucket/b.csv', 'CSV', 'x String')",
            "SELECT 1 SETTINGS max_threads = 9",
            "SELECT * FROM `/etc/passwd`",
        ]
    ):
        session = Session(reading({}, QueryLimits(), f"first wall {number}"))
        query = RunningQuery(engine, session, statement, "TSV", {})
        with pytest.raises(Exception, match="READONLY"):
            list(query.chunks())
        query.cancel()


class TestWriting:
    """With the token, and only with it."""

    STATEMENT = "CREATE TABLE IF NOT EXISTS written (a UInt64, s String) ENGINE = MergeTree ORDER BY a"

    def test_the_token_in_each_place_where_it_may_be(self, ask, server: HttpServer) -> None:
        basic = base64.b64encode(f"mailwake:{server.token}".encode()).decode()
        for headers in (
            {"X-Mailwake-Token": server.token},
            {"X-ClickHouse-User": "mailwake", "X-ClickHouse-Key": server.token},
            {"Authorization": f"Basic {basic}"},
        ):
            assert ask(self.STATEMENT, headers=headers).status == 200

    def test_without_it_with_a_wrong_one_and_by_get(self, ask, server: HttpServer) -> None:
        wrong = base64.b64encode(b"mailwake:wrong").decode()
        anybody = base64.b64encode(b"default:wrong").decode()
        assert ask(self.STATEMENT).code == 164
        assert ask("SELECT 1", headers={"X-Mailwake-Token": "wrong"}).code == 516
        assert ask("SELECT 1", headers={"Authorization": f"Basic {wrong}"}).code == 516
        assert ask("SELECT 1", headers={"Authorization": f"Basic {anybody}"}).body == b"1\n"
        assert ask(query=self.STATEMENT, headers={"X-Mailwake-Token": server.token}).code == 164

    def test_inserts(self, ask, server: HttpServer) -> None:
        token = {"X-Mailwake-Token": server.token}
        assert ask(self.STATEMENT, headers=token).status == 200
        rows = b"".join(b"%d\tx\n" % number for number in range(1000))
        assert ask(rows, query="INSERT INTO written FORMAT TSV", headers=token).status == 200
        in_body = ask(b"insert into written (a, s) format TSV\n" + rows, headers=token)
        assert json.loads(in_body.headers["X-ClickHouse-Summary"])["written_rows"] == "1000"
        zipped = ask(
            gzip.compress(rows),
            query="INSERT INTO written FORMAT TSV",
            headers=token | {"Content-Encoding": "gzip"},
        )
        assert zipped.status == 200
        assert ask("INSERT INTO written VALUES (1, 'a FORMAT TSV\n'), (2, 'b')", headers=token).status == 200
        assert ask("INSERT INTO written SELECT number, 'c' FROM numbers(3)", headers=token).status == 200
        assert ask("SELECT count() FROM written").body == b"3005\n"

    def test_rows_that_are_none(self, ask, server: HttpServer) -> None:
        token = {"X-Mailwake-Token": server.token}
        assert ask(self.STATEMENT, headers=token).status == 200
        before = ask("SELECT count() FROM written").body
        answer = ask("1\tx\nnone\ty\n", query="INSERT INTO written FORMAT TSV", headers=token)
        assert (answer.status, answer.code) == (400, 27)
        assert ask("x", query="INSERT INTO nowhere FORMAT TSV", headers=token).code == 60
        assert ask("SELECT count() FROM written").body == before

    def test_the_token_does_not_open_the_wall_for_queries(self, ask, server: HttpServer) -> None:
        answer = ask("SELECT file('/etc/passwd')", headers={"X-Mailwake-Token": server.token})
        assert answer.code == 164


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8123", 200),
        ("127.0.0.1", 200),
        ("[::1]:8123", 200),
        ("LOCALHOST", 200),
        ("attacker.example", 403),
        ("attacker.example:8123", 403),
        ("127.0.0.1.attacker.example", 403),
        ("", 403),
    ],
)
def test_the_host_that_was_meant(server: HttpServer, host: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("GET", "/ping", skip_host=True)
    connection.putheader("Host", host)
    connection.endheaders()
    assert connection.getresponse().status == status
    connection.close()


def test_a_web_page_of_another_site_is_refused(ask) -> None:
    assert ask("SELECT 1", headers={"Sec-Fetch-Site": "cross-site"}).status == 403


def test_a_port_that_is_taken(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}"):
            HttpServer(engine, HttpSettings(port=port)).start()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(server: HttpServer) -> None:
    def curl(*arguments: str) -> bytes:
        return subprocess.run(["curl", "-sS", *arguments], capture_output=True, timeout=30, check=True).stdout

    assert curl(f"{server.url}/?query=SELECT%201") == b"1\n"
    assert curl(server.url, "-d", "SELECT 1 AS a FORMAT JSONEachRow") == b'{"a":1}\n'
    assert curl(server.url, "--compressed", "-d", "SELECT 'x' FROM numbers(3)") == b"x\nx\nx\n"
    assert curl(f"{server.url}/?param_a=7", "--data-binary", "SELECT {a:UInt8}") == b"7\n"
    assert b"Code: 164" in curl(server.url, "-d", "DROP TABLE x")
