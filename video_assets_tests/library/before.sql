-- A database as the two services before left it: accounts, videos and uploads by the one (its ORM's dump style,
-- times without a zone), transcripts and summaries by the other (with its own Alembic version).
-- @STATUS@, @STATUS_TYPE@ and the rest are filled in by test_adoption.py, once for each way `status` was kept.

CREATE TABLE migrations (id serial PRIMARY KEY, "timestamp" bigint NOT NULL, name varchar NOT NULL);
INSERT INTO migrations ("timestamp", name) VALUES (1690000000000, 'Initial1690000000000');
CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('7c1f0a52be19');

CREATE TABLE users (
    id serial PRIMARY KEY,
    email varchar(255) NOT NULL UNIQUE,
    name varchar(255),
    password_hash varchar(255) NOT NULL,
    created_at timestamp NOT NULL DEFAULT now(),
    updated_at timestamp NOT NULL DEFAULT now()
);
INSERT INTO users (id, email, name, password_hash, created_at, updated_at) VALUES
    (1, 'ada@example.org', 'Ada', '$2b$12$C6UzMDM.H6dfI/f/IKxGhuQ5ZpUxTqGzQYJ7nlY1xM0rjW0Jc0a3K', '2023-05-01 10:00:00', '2023-05-01 10:00:00'),
    (7, 'Grace@Example.org', NULL, '$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy', '2023-06-01 10:00:00', '2023-06-02 10:00:00');
SELECT setval('users_id_seq', 7);

@BEFORE_VIDEOS@
CREATE TABLE videos (
    id serial PRIMARY KEY,
    title varchar(200) NOT NULL,
    description varchar(2000),
    user_id integer NOT NULL REFERENCES users (id),
    user_name varchar(255) NOT NULL,
    key varchar(255) NOT NULL,
    status @STATUS_TYPE@,
    status_message varchar(255),
    processed_at timestamp,
    is_public boolean NOT NULL,
    created_at timestamp NOT NULL DEFAULT now(),
    updated_at timestamp NOT NULL DEFAULT now()
);
INSERT INTO videos (id, title, description, user_id, user_name, key, status, status_message, processed_at, is_public, created_at, updated_at) VALUES
    (3, 'Herons at dawn', 'They wait.', 1, 'Ada', 'uploads/1/9f1c-herons.mp4', '@ready@', NULL, '2024-01-02 03:09:05.25', true, '2024-01-02 03:04:05.123456', '2024-01-02 03:09:06'),
    (4, 'No summary yet', NULL, 1, 'Ada', 'uploads/1/a2-talk.mp4', '@summarizing@', NULL, NULL, false, '2024-02-02 03:04:05', '2024-02-02 03:05:05'),
    (8, 'Broken', NULL, 7, 'Grace', 'uploads/7/b3.mov', '@failed@', 'ffmpeg exited with code 1', NULL, true, '2024-03-02 03:04:05', '2024-03-02 03:04:15'),
    (9, 'Waiting', NULL, 7, 'Grace', 'uploads/7/c4.mp4', '@pending@', NULL, NULL, true, '2024-03-03 03:04:05', '2024-03-03 03:04:05'),
    (12, 'Half there', NULL, 7, 'Grace', 'uploads/7/d5.mp4', '@uploading@', NULL, NULL, true, '2024-03-04 03:04:05', '2024-03-04 03:04:05');
SELECT setval('videos_id_seq', 15);

CREATE TABLE video_variants (
    id serial PRIMARY KEY,
    video_id integer NOT NULL REFERENCES videos (id),
    quality varchar(16) NOT NULL,
    key varchar(255) NOT NULL,
    created_at timestamp NOT NULL DEFAULT now()
);
INSERT INTO video_variants (video_id, quality, key, created_at) VALUES
    (3, '720p', 'transcoded/3/720p.mp4', '2024-01-02 03:06:05'),
    (3, '480p', 'transcoded/3/480p.mp4', '2024-01-02 03:06:05'),
    (3, '480p', 'transcoded/3/480p-again.mp4', '2024-01-02 03:07:05');

CREATE TABLE upload_metadata (
    id uuid PRIMARY KEY,
    video_id integer NOT NULL REFERENCES videos (id),
    filename varchar(255),
    content_type varchar(100),
    upload_id varchar(255),
    bucket varchar(63) NOT NULL,
    created_at timestamp NOT NULL DEFAULT now()
);
INSERT INTO upload_metadata VALUES
    ('0b5d7f5a-1111-4222-8333-444455556666', 3, 'herons.mp4', 'video/mp4', 'mp-1', 'videos', '2024-01-02 03:04:05');

CREATE TABLE video_transcripts (
    id serial PRIMARY KEY,
    video_id integer NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    transcript_text text NOT NULL,
    transcript_path varchar(512) NOT NULL,
    status varchar(32) NOT NULL DEFAULT 'completed' CHECK (status IN ('processing', 'completed', 'failed')),
    duration_seconds integer,
    model_info jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT one_transcript UNIQUE (video_id)
);
INSERT INTO video_transcripts (video_id, transcript_text, transcript_path, duration_seconds, model_info) VALUES
    (3, 'The herons wait near the harbour at dawn.', 'transcripts/3.json', 8, '{"model": "whisper-1"}'),
    (4, 'A talk.', 'transcripts/4.json', NULL, NULL);

CREATE TABLE video_summaries (
    id serial PRIMARY KEY,
    video_id integer NOT NULL UNIQUE,
    summary_text text NOT NULL,
    summary_path varchar(512) NOT NULL,
    model_info json,
    quality_score numeric(4, 3),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO video_summaries (video_id, summary_text, summary_path, model_info, quality_score) VALUES
    (3, 'Herons wait for the boats.', 'summaries/3.json', '{"model": "gpt-4o-mini"}', 0.875);

CREATE TABLE outbox_events (
    id uuid PRIMARY KEY,
    topic varchar(255) NOT NULL,
    payload jsonb NOT NULL,
    published boolean NOT NULL DEFAULT false,
    attempts integer NOT NULL DEFAULT 0,
    service varchar(64) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX ix_outbox_events_published ON outbox_events (published);
INSERT INTO outbox_events (id, topic, payload, published, service, created_at, published_at) VALUES
    ('ffffffff-0000-4000-8000-000000000001', 'video.uploaded', '{"id": "a", "videoId": 3, "userId": 1}', true, 'nest-backend', '2024-01-02 03:04:06Z', '2024-01-02 03:04:07Z'),
    ('00000000-0000-4000-8000-000000000002', 'video.transcribed', '{"id": "b", "videoId": 4, "snippetCount": 2}', false, 'python-backend', '2024-02-02 03:05:06Z', NULL),
    ('eeeeeeee-0000-4000-8000-000000000003', 'video.uploaded', '{"id": "c", "videoId": "9"}', false, 'nest-backend', '2024-02-02 03:05:05Z', NULL),
    ('11111111-0000-4000-8000-000000000004', 'user.created', '{"id": "d", "email": "grace@example.org"}', false, 'nest-backend', '2024-02-02 03:05:07Z', NULL);

CREATE TABLE processed_messages (
    id serial PRIMARY KEY,
    message_id varchar(255) NOT NULL UNIQUE,
    processed_at timestamp NOT NULL DEFAULT now()
);
INSERT INTO processed_messages (message_id) VALUES ('m-1'), ('m-2');
