-- What a key may do at most, and what tasks remember beyond the first contract.

alter table api_key drop constraint api_key_mode_check;
alter table api_key add constraint api_key_mode_check check (mode in ('live', 'test', 'demo'));
alter table api_key
  add models            text[],                 -- null: every model
  add price_max         bigint check (price_max >= 0),
  add tasks_running_max integer check (tasks_running_max >= 0),
  add spend_max         bigint check (spend_max >= 0),
  add spend_window_s    integer check (spend_window_s > 0),  -- null: over the key's whole life
  add ip_ranges         cidr[],                 -- null: from anywhere
  add replaces          text references api_key (id),  -- what a successor spends counts with its
                                                       -- predecessors' spending
  add spent_forgotten   bigint not null default 0,     -- by tasks whose rows have since been deleted
  -- A key without these takes the short way through createTask.
  add capped            boolean generated always as
    (models is not null or price_max is not null or tasks_running_max is not null
     or spend_max is not null) stored;

update api_key
set scopes = scopes || array['samples:read', 'uploads:write', 'account:read', 'webhooks:write']
where scopes @> array['tasks:write', 'tasks:read'];

alter table task
  add is_test             boolean not null default false,
  add rehearsal           text,          -- how a test key wants its task to end; null: well
  add is_sample           boolean not null default false,  -- readable by every key, never expires
  add legal_hold          boolean not null default false,  -- never deleted while it stands
  add ai_generated        boolean not null default false,
  add cancel_requested_at timestamptz,
  add cache_key           bytea,         -- of model version, inputs and seed; null: not shared
  add cached_from         text,          -- the task whose media this one shows
  add data_deleted_at     timestamptz;   -- its owner had inputs and media removed

create index task_key_open on task (key_id) where status in ('waiting', 'generating');
create index task_key on task (key_id, created_at);
create index task_cache on task (account_id, cache_key, created_at)
  where cache_key is not null and cached_from is null and status = 'success';

-- One row per Idempotency-Key of an account, its live and test keys apart: written in the
-- transaction that creates the task.
create table idempotency_key (
  account_id  text not null references account (id),
  key         text not null,            -- the mode, a colon, and what the client wrote
  body_sha256 bytea not null,
  task_id     text not null,
  created_at  timestamptz not null,
  primary key (account_id, key)
);
create index idempotency_key_age on idempotency_key (created_at);
