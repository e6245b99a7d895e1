-- The task row is the truth: every step writes here before the next begins.
create table task (
  id                text primary key,
  account_id        text not null references account (id),
  key_id            text not null references api_key (id),
  model             text not null,
  inputs            jsonb not null,
  seed              bigint not null,
  callback_url      text,
  provider          text not null,
  price             bigint not null check (price >= 0),  -- held at creation, settled at success
  status            text not null default 'waiting'
                      check (status in ('waiting', 'generating', 'success', 'fail')),
  progress          smallint,                            -- percent
  epoch             integer not null default 0,          -- who may write: the latest claim
  submits           integer not null default 0,
  submit_started_at timestamptz,                         -- the intent, written before the call
  upstream_id       text,                                -- the acceptance, written after it
  media_name        text not null,
  preview           boolean not null default false,
  output            jsonb,
  error_code        text,
  error_message     text,
  created_at        timestamptz not null,
  started_at        timestamptz,
  completed_at      timestamptz,
  media_expires_at  timestamptz,
  check ((status in ('success', 'fail')) = (completed_at is not null)),
  check ((status = 'success') = (output is not null)),
  check ((status = 'fail') = (error_code is not null))
) with (fillfactor = 80);
create index task_account on task (account_id, created_at desc, id);
create index task_open on task (created_at) where status in ('waiting', 'generating');
