-- Conversations and their messages.
--
-- Where this differs from the document, and why:
-- - A message refers to its conversation together with the user: a message of one user never lies in another's conversation.
-- - Messages have positions from 1 without a gap, and are never changed: the largest position is how many there are. The document's
--   trigger on messages overwrites `created_at` of whatever it touches.
-- - `content` is JSON as the chat had it: a text, a list of parts, or null.
-- - The key of a message is its place, so that a conversation is read in one piece.
-- - Deleting a conversation deletes its messages.

CREATE TABLE conversations (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL CHECK (length(user_id) BETWEEN 1 AND 128),
  title TEXT CHECK (title IS NULL OR length(title) BETWEEN 1 AND 200),
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999),
  updated_at INTEGER NOT NULL CHECK (updated_at BETWEEN 0 AND 253402300799999),
  UNIQUE (user_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX conversations_page ON conversations (user_id, created_at DESC, id DESC);

CREATE TRIGGER conversations_are_not_replaced BEFORE INSERT ON conversations
WHEN EXISTS (SELECT 1 FROM conversations WHERE id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'this conversation is there already');
END;

CREATE TRIGGER conversations_keep_their_history BEFORE UPDATE ON conversations
WHEN new.id IS NOT old.id OR new.user_id IS NOT old.user_id OR new.created_at IS NOT old.created_at
BEGIN
  SELECT RAISE(ABORT, 'a conversation keeps its id, its user and the time at which it began');
END;

CREATE TABLE messages (
  id TEXT NOT NULL UNIQUE,
  conversation_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  position INTEGER NOT NULL CHECK (position >= 1),
  role TEXT NOT NULL CHECK (role IN ('system', 'developer', 'user', 'assistant', 'tool')),
  name TEXT,
  content TEXT NOT NULL CHECK (json_valid(content) AND json_type(content) IN ('text', 'array', 'null')),
  tool_calls TEXT CHECK (tool_calls IS NULL OR (json_valid(tool_calls) AND json_type(tool_calls) = 'array')),
  tool_call_id TEXT,
  created_at INTEGER NOT NULL CHECK (created_at BETWEEN 0 AND 253402300799999),
  PRIMARY KEY (user_id, conversation_id, position),
  FOREIGN KEY (user_id, conversation_id) REFERENCES conversations (user_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TRIGGER messages_follow_each_other BEFORE INSERT ON messages
WHEN new.position <> 1 + coalesce(
  (SELECT max(position) FROM messages WHERE user_id = new.user_id AND conversation_id = new.conversation_id), 0
)
BEGIN
  SELECT RAISE(ABORT, 'a message is appended at the end');
END;

CREATE TRIGGER messages_are_not_replaced BEFORE INSERT ON messages
WHEN EXISTS (SELECT 1 FROM messages WHERE id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'this message is there already');
END;

CREATE TRIGGER messages_are_not_changed BEFORE UPDATE ON messages
BEGIN
  SELECT RAISE(ABORT, 'a message is not rewritten');
END;
