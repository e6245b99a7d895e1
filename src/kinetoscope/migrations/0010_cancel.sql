-- Workers look every second for tasks that somebody wants ended.
create index task_cancel_requested on task (id)
  where cancel_requested_at is not null and status in ('waiting', 'generating');
