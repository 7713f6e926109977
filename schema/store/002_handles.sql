-- The last resumable handle of each session's connection to its model. It opens the conversation to whoever holds
-- it together with the key, so it is never logged and goes with its session.
CREATE TABLE antiphon_handles (
    app_name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    handle TEXT NOT NULL,
    model TEXT NOT NULL,
    update_time REAL NOT NULL,
    PRIMARY KEY (app_name, user_id, session_id),
    FOREIGN KEY (app_name, user_id, session_id) REFERENCES sessions(app_name, user_id, id) ON DELETE CASCADE
);
