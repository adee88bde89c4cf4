SELECT * FROM file('/etc/passwd')
;;
SELECT file('/etc/passwd')
;;
SELECT `file`('/etc/passwd')
;;
SELECT "file"/*x*/('/etc/passwd')
;;
SELECT FILE ('/etc/passwd')
;;
select*from/**/file/**/('/etc/passwd')
;;
SELECT * FROM (SELECT * FROM view(SELECT file('/etc/passwd')))
;;
WITH x AS (SELECT file('/etc/passwd')) SELECT * FROM x
;;
WITH (SELECT file('/etc/passwd')) AS x SELECT x
;;
SELECT 1 WHERE 1 IN (SELECT file('a'))
;;
SELECT 1 IN file('x')
;;
SELECT * FROM a JOIN url('http://x','TSV') ON 1
;;
EXPLAIN SELECT file('x')
;;
EXPLAIN PIPELINE SELECT * FROM url('x')
;;
DESCRIBE TABLE file('/etc/passwd')
;;
DESCRIBE (SELECT * FROM s3('http://x/y/z'))
;;
SHOW TABLES WHERE file('x') = 1
;;
SELECT * FROM url('http://127.0.0.1/', 'TSV', 'x String')
;;
SELECT * FROM s3('http://127.0.0.1/b/x', 'TSV', 'x String')
;;
SELECT * FROM gcs('x')
;;
SELECT * FROM remote('127.0.0.1', system.one)
;;
SELECT * FROM remoteSecure('127.0.0.1', system.one)
;;
SELECT * FROM cluster('x', system.one)
;;
SELECT * FROM clusterAllReplicas('x', system.one)
;;
SELECT * FROM executable('ls', 'TSV', 'x String')
;;
SELECT * FROM mysql('h', 'd', 't', 'u', 'p')
;;
SELECT * FROM postgresql('h', 'd', 't', 'u', 'p')
;;
SELECT * FROM mongodb('h', 'd', 't', 'u', 'p')
;;
SELECT * FROM redis('h', 'd', 't', 'u', 'p')
;;
SELECT * FROM sqlite('/tmp/x', 't')
;;
SELECT * FROM jdbc('x','y')
;;
SELECT * FROM odbc('x','y','z')
;;
SELECT * FROM Python(x)
;;
SELECT * FROM `python`(x)
;;
SELECT * FROM hdfs('x')
;;
SELECT * FROM filesystem('/')
;;
SELECT * FROM merge('system', '.*')
;;
SELECT * FROM dictionary('x')
;;
SELECT dictGet('a', 'b', 1)
;;
SELECT joinGet('a', 'b', 1)
;;
SELECT * FROM loop(system.one)
;;
SELECT * FROM eval('SELECT 1')
;;
SELECT * FROM viewExplain('EXPLAIN', '', (SELECT file('x')))
;;
SELECT * FROM input('a Int')
;;
SELECT * FROM deltaLake('x')
;;
SELECT * FROM icebergLocal('/x')
;;
SELECT * FROM fuzzQuery('x')
;;
SELECT * FROM mergeTreeIndex(a, b)
;;
SELECT * FROM `/etc/passwd`
;;
SELECT * FROM '/etc/passwd'
;;
SELECT * FROM "/etc/passwd"
;;
SELECT * FROM default.`../x.csv`
;;
SELECT * FROM {p:Identifier}
;;
SELECT * FROM system.{u:Identifier}
;;
SELECT 1 INTO OUTFILE '/tmp/x'
;;
SELECT 1 INTO OUTFILE '/tmp/x' TRUNCATE FORMAT CSV
;;
SELECT 1 into /**/ outfile '/tmp/x' AND STDOUT
;;
INSERT INTO t VALUES (1)
;;
INSERT INTO FUNCTION file('x') SELECT 1
;;
INSERT INTO FUNCTION url('x') SELECT 1
;;
INSERT INTO t SELECT 1
;;
KILL QUERY WHERE 1
;;
SYSTEM SHUTDOWN
;;
SYSTEM FLUSH LOGS
;;
SELECT 1; SELECT 2
;;
SELECT 1; DROP TABLE t
;;
DROP TABLE t
;;
CREATE TABLE t (a Int) ENGINE = Memory
;;
CREATE TEMPORARY TABLE t (a Int)
;;
CREATE FUNCTION f AS x -> x
;;
ALTER TABLE t DELETE WHERE 1
;;
TRUNCATE TABLE t
;;
RENAME TABLE a TO b
;;
OPTIMIZE TABLE t
;;
ATTACH TABLE t
;;
DETACH TABLE t
;;
SET readonly = 0
;;
USE system
;;
GRANT ALL ON *.* TO default
;;
CREATE USER x
;;
BACKUP DATABASE default TO File('x')
;;
RESTORE DATABASE default FROM File('x')
;;
EXECUTE AS x SELECT 1
;;
BEGIN TRANSACTION
;;
SELECT 1 PARALLEL WITH SELECT 2
;;
SELECT 1 PARALLEL WITH DROP TABLE t
;;
SELECT * FROM system.users
;;
SELECT * FROM `system`.`users`
;;
SELECT * FROM SYSTEM.named_collections
;;
SELECT 1 IN system.users
;;
SELECT in(1, system.users)
;;
SELECT * FROM system.stack_trace
;;
SELECT sleep(3)
;;
SELECT sleepEachRow(1) FROM numbers(10)
;;
SELECT * APPLY file FROM t
;;
SELECT * APPLY(file) FROM t
;;
SELECT * APPLY(x -> file(x)) FROM t
;;
WITH (x) -> file(x) AS f SELECT f('/etc/passwd')
;;
SELECT arrayMap(x -> file(x), ['/etc/passwd'])
;;
SELECT showCertificate()
;;
SELECT getClientHTTPHeader('x')
;;
SELECT logTrace('x')
;;
SELECT addressToLine(1)
;;
SELECT hasColumnInTable('h', 'u', 'p', 'd', 't', 'c')
;;
SELECT aiGenerate('x')
;;
CHECK TABLE t
;;
SHOW CREATE USER default
;;
SHOW GRANTS
;;
SHOW ACCESS
;;
SHOW USERS
;;
EXPLAIN INSERT INTO t SELECT 1
;;
EXPLAIN TABLE OVERRIDE mysql('x') PARTITION BY x
;;
EXPLAIN CURRENT TRANSACTION
;;
EXPLAIN AST DROP TABLE t
;;
EXPLAIN SYNTAX KILL QUERY WHERE 1
;;
DELETE FROM t WHERE 1
;;
UPDATE t SET a = 1 WHERE 1
;;
CALL x()
;;
COPY t TO 'x'
;;
SELECT * FROM values('a String', file('/etc/passwd'))
;;
SELECT * FROM numbers(file('x'))
;;
SELECT 1 ORDER BY file('x')
;;
SELECT 1 LIMIT file('x')
;;
SELECT 1 SETTINGS a = file('x')
;;
SELECT filesystemAvailable()
;;
UNDROP TABLE x
;;
EXCHANGE TABLES a AND b
;;
SELECT * FROM azureBlobStorage('x')
;;
SELECT * FROM iceberg('x')
;;
SELECT * FROM prometheusQuery('a', 'b', now())
;;
SELECT * FROM timeSeriesSelector('a', 'b', 1, 2)
;;
SELECT * FROM arrowstream('x')
;;
SELECT * FROM bigquery('x')
;;
SELECT catboostEvaluate('/etc/passwd', 1)
;;
SELECT * FROM t WHERE a = (SELECT file('x') AS b)
;;
SELECT CASE WHEN 1 THEN file('x') ELSE 2 END
;;
SELECT [file('x')]
;;
SELECT (file('x'), 1)
;;
SELECT {a:UInt8}, file({b:String})
;;
SELECT file($$/etc/passwd$$)
;;
SELECT 1 UNION ALL SELECT file('x')
;;
SELECT a FROM t ARRAY JOIN [file('x')] AS b
;;
SELECT sum(1) OVER (ORDER BY file('x'))
;;
SELECT a FROM t ORDER BY a WITH FILL FROM file('x')
;;
SELECT file('x') FORMAT JSON SETTINGS max_threads = 1
;;
SELECT x.* FROM (SELECT * FROM sqlite('x.db', 't')) AS x
;;
SELECT * FROM numbers(1) AS file JOIN file('x') AS numbers ON 1
;;
SELECT * FROM system.numbers, url('http://x')
;;
SELECT fileIf('x', 1)
;;
SELECT dictGetOrNull('a', 'b', 1)
;;
DESCRIBE TABLE s3('http://x/y/z') SETTINGS max_threads = 1
;;
SHOW CREATE TABLE system.users
;;
EXISTS TABLE system.named_collections
;;
SELECT globalIn(1, system.users)
;;
SELECT 1 IN `system`.`users`
;;
TRUNCATE DATABASE default
;;
ALTER USER default IDENTIFIED BY 'x'
;;
CREATE DICTIONARY d (a UInt8) PRIMARY KEY a SOURCE(HTTP(URL 'http://x' FORMAT 'TSV')) LIFETIME(1) LAYOUT(FLAT())
;;
CREATE DATABASE x ENGINE = MySQL('h', 'd', 'u', 'p')
;;
CREATE TABLE x (a UInt8) ENGINE = URL('http://x')
;;
KILL /* c */ MUTATION WHERE 1
;;
SYSTEM RELOAD CONFIG
;;
SELECT 1 INTO OUTFILE '/dev/stdout' COMPRESSION 'gzip' LEVEL 1 FORMAT JSON
;;
WITH x AS (SELECT 1) SELECT * FROM x INTO OUTFILE 'y' APPEND
;;
(SELECT 1) UNION ALL (SELECT 2) INTO OUTFILE 'x'
;;
SELECT 1 IN (`/etc/passwd`)
;;
SELECT * APPLY/**/(file) FROM t
;;
SELECT COLUMNS('a') apply file FROM t
;;
SELECT * EXCEPT a APPLY file FROM t
;;
SELECT {a:UInt8 // '
}, file('/etc/passwd'), {b:UInt8 // '
}
;;
SELECT {a:UInt8 # '
}, file('/etc/passwd') AS `'}`
;;
SELECT {a:UInt8 /* ' */}, file('/etc/passwd'), {b:UInt8 /* ' */}
;;
SELECT {a:Enum8($$'$$ = 1)}, file('x'), {b:Enum8($$'$$ = 1)}
;;
SELECT {a:Tuple(x UInt8, `'` String)}, file('x'), {b:Tuple(x UInt8, `'` String)}
;;
SELECT 1 SETTINGS max_threads = {'x':'y'}
;;
SHOW PROCESSLIST
;;
SHOW FULL PROCESSLIST
;;
SELECT query FROM system.processes
;;
SELECT last_error_message FROM system.errors
;;
SELECT finalizeAggregation(CAST(unhex('00'), 'AggregateFunction(rankCorr, UInt64, UInt64)'))
;;
SELECT finalizeAggregation(unhex('00')::AggregateFunction(sum, UInt8))
;;
SELECT finalizeAggregation(accurateCast(unhex('00'), 'AggregateFunction/**/(sum, UInt8)'))
;;
SELECT finalizeAggregation(CAST(unhex('00'), '`Aggregat\\x65Function`(sum, UInt8)'))
;;
SELECT finalizeAggregation(CAST(unhex('00'), concat('Aggregate', 'Function(sum, UInt8)')))
;;
WITH 'AggregateFunction(sum, UInt8)' AS t SELECT finalizeAggregation(CAST('aaaaaaaa', t))
;;
SELECT CAST('aaaaaaaa', {b:String})
;;
SELECT finalizeAggregation({a:AggregateFunction(sum, UInt8)})
;;
SELECT arrayMap(x -> CAST(x, 'Array(AggregateFunction(sum, UInt8))'), ['a'])
;;
SELECT finalizeAggregation(a) FROM format(TSV, concat('a Aggregate', 'Function(sum, UInt8)'), 'aaaaaaaa')
;;
SELECT finalizeAggregation(a) FROM format(TSV, 'a AggregateFunction(sum, UInt8)', 'aaaaaaaa')
;;
SELECT * FROM format(Native, unhex('00'))
;;
SELECT * FROM format(Parquet, 'PAR1')
;;
DESCRIBE TABLE format(RowBinaryWithNamesAndTypes, 'x')
