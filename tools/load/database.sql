-- Fills a database that antiphon has made with talks of 200 events and 20 tool calls each, until it is about 1 GB.
--   sqlite3 antiphon.db <tools/load/database.sql
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TEMP TABLE numbers AS
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500) SELECT i FROM n;
BEGIN;
INSERT INTO sessions SELECT 'google_search_agent', 'user-' || (i % 500), 'talk-' || i, '{}', 1.7e9 + i, 1.7e9 + i + 600
    FROM numbers;
INSERT INTO events
    SELECT printf('%08x-%04x-4000-8000-00000000%04x', s.i * 2654435761 % 4294967296, e.i, e.i), 'google_search_agent',
           'user-' || (s.i % 500), 'talk-' || s.i, 'e-' || s.i || '-' || (e.i / 2), 1.7e9 + s.i + e.i * 3,
           json_object('author', CASE e.i % 2 WHEN 0 THEN 'google_search_agent' ELSE 'user' END, 'invocation_id',
                       'e-' || s.i || '-' || (e.i / 2), 'content',
                       json_object('role', CASE e.i % 2 WHEN 0 THEN 'model' ELSE 'user' END, 'parts',
                                   json_array(json_object('text', hex(randomblob(320))))))
      FROM numbers s CROSS JOIN numbers e WHERE e.i <= 200;
INSERT INTO antiphon_tool_calls (id, app_name, user_id, session_id, invocation_id, call_id, agent, tool, state, args,
                                 result, requested_time, started_time, ended_time)
    SELECT 'call-' || s.i || '-' || e.i, 'google_search_agent', 'user-' || (s.i % 500), 'talk-' || s.i,
           'e-' || s.i || '-' || e.i, 'function-call-' || e.i, 'google_search_agent', 'now', 'done', '{}',
           json_object('output', hex(randomblob(80))), 1.7e9 + s.i + e.i, 1.7e9 + s.i + e.i, 1.7e9 + s.i + e.i + 1
      FROM numbers s CROSS JOIN numbers e WHERE e.i <= 20;
COMMIT;
