-- What plugins keep for themselves: per user, or with user_id '' for nobody. The texts are searchable in any script, by
-- parts of words of three characters and more.
CREATE TABLE antiphon_plugin_data (
    id INTEGER PRIMARY KEY,
    plugin TEXT NOT NULL,
    user_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    update_time REAL NOT NULL,
    UNIQUE (plugin, user_id, key)
);
-- Kept in step by the writer: a trigger would not be allowed to, because schemas of files are not trusted.
CREATE VIRTUAL TABLE antiphon_plugin_search USING fts5(
    value, content = 'antiphon_plugin_data', content_rowid = 'id', tokenize = 'trigram'
);
-- What plugins want the model to say in a conversation, until it is said or too old.
CREATE TABLE antiphon_notices (
    id TEXT PRIMARY KEY,
    app_name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    plugin TEXT NOT NULL,
    text TEXT NOT NULL,
    until_time REAL NOT NULL,
    FOREIGN KEY (app_name, user_id, session_id) REFERENCES sessions(app_name, user_id, id) ON DELETE CASCADE
);
CREATE INDEX antiphon_notices_session ON antiphon_notices (app_name, user_id, session_id);
