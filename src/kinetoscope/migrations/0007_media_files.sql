-- What is kept, and until when. Every file that the store holds stands here before it is put.

create table media_file (
  name          text primary key,
  account_id    text not null references account (id),
  -- Not cascading: a task cannot be forgotten while the store may still hold files of it.
  task_id       text references task (id),     -- null: an upload
  kind          text not null check (kind in ('output', 'last_frame', 'upload')),
  media_type    text,                          -- this and the next two are null until it was put
  bytes_size    bigint check (bytes_size >= 0),
  sha256        bytea,
  created_at    timestamptz not null,
  expires_at    timestamptz,                   -- null: kept for good
  claimed_until timestamptz,                   -- a reaper is at it, and until when to believe that
  deleted_at    timestamptz,                   -- the bytes were removed
  confirmed_at  timestamptz,                   -- and some time later were not there
  check (confirmed_at is null or deleted_at is not null)
);
create index media_file_due on media_file (expires_at) where deleted_at is null;
create index media_file_unconfirmed on media_file (deleted_at)
  where deleted_at is not null and confirmed_at is null;
create index media_file_task on media_file (task_id) where task_id is not null;
create index media_file_account on media_file (account_id, created_at);
create index media_file_sha256 on media_file (sha256) where sha256 is not null;
create index media_file_confirmed on media_file (confirmed_at)
  where confirmed_at is not null and task_id is null;

-- Until now a file was known by its task alone.
insert into media_file
  (name, account_id, task_id, kind, media_type, bytes_size, created_at, expires_at)
select item ->> 'name', account_id, task.id, 'output', item ->> 'mediaType',
       (item ->> 'bytes')::bigint, completed_at, media_expires_at
from task cross join jsonb_array_elements(output) as item
where status = 'success' and cached_from is null
union all
select item ->> 'lastFrameName', account_id, task.id, 'last_frame', 'image/png',
       null, completed_at, media_expires_at
from task cross join jsonb_array_elements(output) as item
where status = 'success' and cached_from is null and item ->> 'lastFrameName' is not null
on conflict (name) do nothing;

alter table account
  add media_lifetime_s integer check (media_lifetime_s > 0),  -- null: as long as the deployment's;
  add task_lifetime_s  integer check (task_lifetime_s > 0),   -- otherwise whichever is shorter
  add legal_hold       boolean not null default false;  -- nothing of it is deleted while it stands

-- From this moment on the task is not known any more. Null on an ended task: to be written yet.
alter table task add metadata_expires_at timestamptz;
create index task_metadata_due on task (metadata_expires_at) where metadata_expires_at is not null;
create index task_metadata_missing on task (completed_at)
  where completed_at is not null and metadata_expires_at is null and not is_sample;
create index task_cached_from on task (cached_from) where cached_from is not null;
