-- Webhooks: what is to be told to whom, what came of it, and what it is signed with.

-- One row per event, written in the transaction that makes it happen. The row is the truth: what
-- is pending and due is sent, whoever was killed before.
create table webhook_delivery (
  id              text primary key,         -- webhook-id, the same over all attempts
  seq             bigint generated always as identity,  -- orders the log's pages
  account_id      text not null references account (id),
  task_id         text not null,            -- outlives the task, as a log does
  event_type      text not null
                    check (event_type in ('task.succeeded', 'task.failed', 'webhook.test')),
  url             text not null,
  -- Whose receiver is asked; they are kept apart by it. Of two accounts on one host neither can
  -- be held up by how the other's part of it behaves.
  lane            text collate "C" not null generated always as
                    (account_id || ' ' || coalesce(
                       substring(lower(url) from '^[a-z]+://(?:[^/?#]*@)?([^/?#]*)'), '')) stored,
  body            bytea,                    -- null: the task as it stands when it is sent
  rehearsal       text,                     -- how a test key wants this to go
  state           text not null default 'pending'
                    check (state in ('pending', 'delivered', 'failed', 'disabled')),
  attempts        integer not null default 0,  -- ever
  tries           integer not null default 0,  -- since it was created or last asked for again
  claim           integer not null default 0,  -- who may decide how it goes on: the latest claim
  next_attempt_at timestamptz,              -- while one is being made: when to stop believing in it
  created_at      timestamptz not null,
  ended_at        timestamptz,
  check ((state = 'pending') = (next_attempt_at is not null)),
  check ((state = 'pending') = (ended_at is null))
) with (fillfactor = 80);
create index webhook_delivery_due on webhook_delivery (lane, next_attempt_at)
  where state = 'pending';
create index webhook_delivery_account on webhook_delivery (account_id, seq);
create index webhook_delivery_task on webhook_delivery (task_id);
create index webhook_delivery_age on webhook_delivery (ended_at) where ended_at is not null;

create table webhook_attempt (
  id          text primary key,
  delivery_id text not null references webhook_delivery (id) on delete cascade,
  started_at  timestamptz not null,
  duration_ms integer not null,
  status      integer,                      -- null: there was no answer
  error       text,                         -- null: it was delivered
  response    text not null                 -- how the answer's body begins
);
create index webhook_attempt_delivery on webhook_attempt (delivery_id, started_at);

create table webhook_account (
  account_id  text primary key references account (id),
  kie_headers boolean not null default false
);

create table webhook_secret (
  id         text primary key,
  account_id text not null references account (id),
  sealed     bytea not null,                -- encrypted: see kernel/sealing.py
  last_four  text not null,
  created_at timestamptz not null,
  expires_at timestamptz                    -- null: the current one
);
create unique index webhook_secret_current on webhook_secret (account_id)
  where expires_at is null;
create index webhook_secret_account on webhook_secret (account_id, created_at);

-- What an account's tasks came to, in that order: `kinetoscope listen` follows it.
create index task_account_ended on task (account_id, completed_at, id)
  where completed_at is not null;
