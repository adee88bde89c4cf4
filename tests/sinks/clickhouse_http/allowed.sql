SELECT 1
;;
SELECT version(), timezone()
;;
SELECT name, value, readonly FROM system.settings LIMIT 10000
;;
SELECT displayName(), version(), revision(), timezone()
;;
WITH d AS (SELECT domain, count() AS n FROM mail.events GROUP BY domain) SELECT * FROM d ORDER BY n DESC LIMIT 10
;;
SELECT toStartOfInterval(ts, INTERVAL 1 HOUR) AS t, countIf(kind = 'bounce') / count() AS rate FROM mail_events WHERE ts >= now() - INTERVAL 7 DAY GROUP BY t ORDER BY t WITH FILL STEP 3600
;;
SELECT quantiles(0.5, 0.9)(latency), quantileTDigestIf(0.99)(latency, ok), uniqState(a), uniqMerge(b), sumMapMerge(m), avgOrNullIf(a, b > 1), groupUniqArrayArrayIf(x, y) FROM t FINAL PREWHERE a > 1 WHERE b IN (SELECT b FROM u)
;;
SELECT arrayMap((x, i) -> x * i, a, arrayEnumerate(a)), arrayJoin(b), tuple(1, 2).1, m['x'], a[1], a.b.c, x::UInt32, (a ? b : c), [1,2,3], (1, 'x'), t.* EXCEPT (a) REPLACE (1 AS b) FROM t ARRAY JOIN b AS c LEFT ARRAY JOIN d
;;
SELECT *, row_number() OVER (PARTITION BY a ORDER BY b DESC) AS rn, sum(x) OVER w FROM t WINDOW w AS (ORDER BY ts ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)
;;
SELECT a FROM t ASOF JOIN u USING (k, ts) ANY LEFT JOIN v ON t.k = v.k GLOBAL INNER JOIN (SELECT 1 AS k) AS w ON w.k = t.k CROSS JOIN numbers(3) AS n
;;
SELECT {a:UInt8}, {b:Array(String)}, {c:Nullable(DateTime64(3, 'UTC'))} FROM {d:Identifier}.{t:Identifier}
;;
SELECT a, count() FROM t GROUP BY a WITH TOTALS HAVING count() > 1 ORDER BY a LIMIT 2 BY a LIMIT 10 OFFSET 5 SETTINGS max_threads = 1 FORMAT JSONCompact
;;
SELECT a FROM t SAMPLE 1/10 OFFSET 1/2 UNION ALL SELECT 2 UNION DISTINCT SELECT 3 EXCEPT SELECT 4
;;
SHOW TABLES
;;
SHOW TABLES FROM mail LIKE '%x%' LIMIT 3
;;
SHOW FULL TABLES FROM mail
;;
SHOW DATABASES
;;
SHOW CREATE TABLE mail.events
;;
show create view v
;;
SHOW COLUMNS FROM mail_events
;;
SHOW FUNCTIONS
;;
SHOW SETTINGS LIKE 'max%'
;;
DESCRIBE TABLE mail.events
;;
DESC mail_events FORMAT JSON
;;
DESCRIBE (SELECT 1 AS a)
;;
DESCRIBE TABLE numbers(3) SETTINGS max_threads=1
;;
EXISTS TABLE mail.events
;;
EXISTS mail_events
;;
EXISTS DATABASE mail
;;
EXPLAIN SELECT 1
;;
EXPLAIN PIPELINE graph = 1, header=1 SELECT count() FROM t WHERE a IN (1,2)
;;
EXPLAIN indexes = 1 WITH x AS (SELECT 1) SELECT * FROM x
;;
EXPLAIN AST SELECT 1
;;
EXPLAIN SYNTAX SELECT 1 UNION ALL SELECT 2
;;
EXPLAIN QUERY TREE SELECT 1
;;
EXPLAIN ESTIMATE SELECT 1
;;
SELECT database, name, engine, total_rows FROM system.tables WHERE database NOT IN ('system') AND name ILIKE '%mail%'
;;
select name from system.databases
;;
SELECT * FROM INFORMATION_SCHEMA.TABLES WHERE table_schema = currentDatabase()
;;
SELECT DISTINCT name FROM system.time_zones /* a comment */ -- another
;;
SELECT 'a -- not a comment', 'it''s', 'back\\slash \' quote', $$heredoc 'x'$$
;;
SELECT COLUMNS('^a') APPLY(sum) FROM t
;;
SELECT * APPLY(x -> toString(x)) FROM t
;;
SELECT * EXCEPT(a) APPLY(max) APPLY(toString) FROM t
;;
SELECT if(a > 1, 'x', 'y'), multiIf(a, 1, b, 2, 3), CASE WHEN a THEN 1 ELSE 2 END, CASE a WHEN 1 THEN 2 END, a BETWEEN 1 AND 2, NOT (a AND (b OR c)), a IS NULL, a IS NOT NULL, -a, NOT a
;;
SELECT date_diff('day', a, b), dateDiff('hour', a, b), extract(YEAR FROM d), toDate('2020-01-01') + INTERVAL 1 MONTH, date_trunc('day', a), INTERVAL '1 day', DATE '2020-01-01', TIMESTAMP '2020-01-01 00:00:00'
;;
SELECT substring(a, 1, 2), SUBSTRING(a FROM 1 FOR 2), trim(BOTH ' ' FROM a), position('a' IN b), CAST(a AS Array(String)), cast(a, 'String'), concat(a, '-', b), a || b, like(a, 'x%'), match(a, '^x'), replaceRegexpAll(a, '(x)', '\\1')
;;
SELECT count(DISTINCT a), count(*), uniqExact(a, b), argMax(a, b), any(a), anyLast(a), topK(3)(a), groupArray(5)(a), sumIf(a, b), sum(a) FILTER (WHERE b > 1), stddevPop(x), corr(a, b)
;;
SELECT a FROM t ORDER BY a NULLS LAST, b DESC COLLATE 'en' LIMIT 1 WITH TIES
;;
SELECT * FROM values('a UInt8, b String', (1, 'x'), (2, 'y'))
;;
SELECT * FROM view(SELECT 1 AS a) JOIN zeros(2) ON 1=1
;;
SELECT * FROM generateSeries(1, 10) LIMIT 3
;;
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 10) SELECT * FROM r
;;
WITH 5 AS x, (SELECT max(a) FROM t) AS m SELECT x, m, a FROM t WHERE a = m
;;
SELECT JSONExtractString(j, 'a', 'b'), JSONExtract(j, 'x', 'Tuple(a UInt8, b String)'), simpleJSONExtractInt(j, 'a'), j.a.b FROM t
;;
SELECT domain(url), protocol(url), cutToFirstSignificantSubdomain(u), lower(hex(SHA256(a))), base64Encode(x), IPv4NumToString(ip), toIPv6('::1'), cityHash64(a)
;;
SELECT a, groupArrayMovingAvg(3)(b), runningDifference(c), neighbor(a, 1), lagInFrame(a, 1) OVER (ORDER BY b), nth_value(a, 2) OVER (ORDER BY b) FROM t GROUP BY a
;;
SELECT formatReadableSize(sum(bytes_on_disk)) FROM system.parts WHERE active GROUP BY table
;;
SELECT transform(a, [1,2], ['x','y'], 'z'), dictionary FROM t
;;
SELECT 1 AS file, url, `format`, `date` AS d, `select` FROM t AS system
;;
SELECT tupleElement(t, 'a'), mapKeys(m), mapFilter((k, v) -> v > 1, m), arraySort(x -> -x, a), arrayReduce('sum', a), arrayFilter(x -> x LIKE '%a%', b), has(a, 1), hasAny(a, b), arrayDistinct(a), arrayZip(a, b), arrayStringConcat(a, ','), splitByChar(',', s)
;;
select toStartOfMinute(ts) as time, kind, count() from mail_events where ts between toDateTime(1) and toDateTime(2) group by time, kind order by time
;;
SELECT a IN ((1, 2), (3, 4)), (a, b) IN (SELECT 1, 2), a NOT IN (1), a GLOBAL IN (SELECT 1), EXISTS (SELECT 1), a = ANY(SELECT 1), a > ALL(SELECT 1), a IN tbl
;;
SELECT a FROM t GROUP BY ALL ORDER BY ALL
;;
SELECT a, b FROM t GROUP BY GROUPING SETS ((a), (b), ())
;;
SELECT a, b FROM t GROUP BY ROLLUP(a, b)
;;
SELECT a FROM t GROUP BY CUBE(a) QUALIFY rank() OVER (ORDER BY a) = 1
;;
SELECT ts, v FROM t ORDER BY ts WITH FILL FROM toDate('2020-01-01') TO toDate('2020-02-01') STEP INTERVAL 1 DAY INTERPOLATE (v AS v + 1)
;;
SELECT * FROM (SELECT 1) AS x(a)
;;
SELECT @@version
;;
SELECT * FROM system.columns WHERE database = 'default' AND table = 't'
;;
SELECT currentDatabase() as TABLE_SCHEM, name FROM system.databases
;;
SELECT table_catalog, table_schema FROM information_schema.columns
;;
SELECT getSetting('max_threads'), arrayCumSum(x), bitAnd(1,2), geohashEncode(1.,2.), toTypeName(1), identity(1), materialize(1), ignore(1), throwIf(a) FROM t
;;
SELECT -1, - -1, 1e10, 0x1F, 1_000, inf, nan, NULL, true, 'ü ✓', '\n\t'
;;
SELECT a FROM mail.events AS e INNER JOIN mail.dmarc_records AS d ON e.domain = d.domain AND e.ts >= d.begin WHERE e.kind = 'MessageBounced' AND d.spf <> 'pass'
;;
SELECT DISTINCT ON (a) a, b FROM t
;;
SELECT sumSimpleState(a), sumStateIf(a, b), finalizeAggregation(x), initializeAggregation('sumState', 1) FROM t
;;
SELECT toDateTime64('2020-01-01 00:00:00', 3, 'UTC'), parseDateTimeBestEffort('x'), formatDateTime(now(), '%Y'), toYYYYMM(d), now64(3), today() - 7, yesterday()
;;
SELECT * FROM t PASTE JOIN u
;;
SELECT (1,2,3).2, a.1, (SELECT 1), (SELECT (1, 2)).1
;;
SELECT * FROM merged WHERE _table = 'x' AND _part LIKE 'a'
;;
FROM t SELECT a
;;
SELECT concat('a', format('{} {}', 'x', 'y'))
;;
SELECT x FROM t WHERE x LIKE '%a\_b%' ESCAPE '!'
;;
SELECT 1 FORMAT Null
;;
(SELECT 1) UNION ALL (SELECT 2) FORMAT TSV
;;
SELECT a, count() FROM t GROUP BY a ORDER BY a LIMIT 2 BY a LIMIT 3, 10
;;
SELECT version(), timezone() FORMAT Native
;;
SELECT name, type FROM system.columns WHERE database = {database:String} FORMAT JSON
;;
SELECT CAST(a AS Nullable(String)), a::Decimal(10, 2), CAST((1, 2), 'Tuple(a UInt8, b UInt8)'), accurateCastOrNull(b, 'UInt8'), CAST(if(a = 1, 'x', 'y'), 'Enum8(\'x\' = 1, \'y\' = 2)') FROM t
;;
SELECT * FROM format(JSONEachRow, 'a UInt8, b String', '{"a": 1, "b": "x"}')
;;
SELECT name FROM system.columns WHERE type LIKE 'AggregateFunction%' OR type = 'AggregateFunction(uniq, String)'
;;
SELECT uniqMerge(s) FROM (SELECT uniqState(number) AS s FROM numbers(10))
;;
SELECT domain, provider, count() FROM mail_events GROUP BY GROUPING SETS ((domain), (domain, provider), ())
;;
SELECT domain, provider, count() FROM mail_events GROUP BY CUBE(domain, provider)
