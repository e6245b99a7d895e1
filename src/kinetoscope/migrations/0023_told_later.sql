-- An upstream that calls back after a task was given up tells which job it made of it, and when.
alter table alert
  add column told_id text,
  add column told_at timestamptz;

-- No two tasks are one job of an upstream: an id that a callback names is looked up here.
create index task_upstream_id on task (provider, upstream_id) where upstream_id is not null;
create index task_upstream_claim on task (provider, upstream_claim)
  where upstream_claim is not null;
