-- The journal of tool calls: one row a call, from the model's request to its end and beyond. Values of arguments that a tool
-- marks as secret are not in here. times: seconds since the epoch.
CREATE TABLE antiphon_tool_calls (
    id TEXT PRIMARY KEY,          -- ours; the model's own ids may come again in another connection
    app_name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    invocation_id TEXT NOT NULL,
    call_id TEXT NOT NULL,        -- the model's, or made by us
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('requested', 'running', 'done', 'failed', 'cancelled', 'undone')),
    reason TEXT,                  -- why it failed, was cancelled or could not be undone: a word, or a word and a sentence
    args TEXT,                    -- JSON, as the model gave them
    result TEXT,                  -- JSON object as the model gets it; NULL: it gets none
    receipt TEXT,                 -- JSON object: what undoing needs
    requested_time REAL NOT NULL,
    started_time REAL,            -- NULL: it never ran
    ended_time REAL,              -- NULL: it is open
    FOREIGN KEY (app_name, user_id, session_id) REFERENCES sessions(app_name, user_id, id) ON DELETE CASCADE
);
CREATE INDEX antiphon_tool_calls_by_session ON antiphon_tool_calls (app_name, user_id, session_id, requested_time);
CREATE INDEX antiphon_tool_calls_open ON antiphon_tool_calls (state) WHERE ended_time IS NULL;
