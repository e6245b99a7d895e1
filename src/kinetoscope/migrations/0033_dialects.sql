-- Dialects: a task remembers in whose words it was asked for, since its webhooks answer in them.
alter table task
  add column dialect         text,         -- null: our own
  add column dialect_details jsonb,        -- what only that dialect knows what to do with
  add column events          text[],       -- what its webhook tells of; null: its end, as ever
  add column start_by        timestamptz,  -- nobody wants it any more who has not begun it by then
  add column end_by          timestamptz;  -- as if it were cancelled then

-- Found every second, so only what is open and has such a time.
create index task_deadline on task (least(start_by, end_by))
  where status in ('waiting', 'generating') and (start_by is not null or end_by is not null);

-- Some dialects tell of more than a task's end.
alter table webhook_delivery drop constraint webhook_delivery_event_type_check;
alter table webhook_delivery add constraint webhook_delivery_event_type_check
  check (event_type in
    ('task.started', 'task.progress', 'task.succeeded', 'task.failed', 'webhook.test'));

-- An account's uploads, newest first, among all that the store has of it.
create index media_file_uploads on media_file (account_id, created_at desc, name desc)
  where kind = 'upload';
