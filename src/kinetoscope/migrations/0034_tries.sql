-- How many times a client said that it had sent a request before, when it was last shown its task.
alter table idempotency_key add column tries smallint not null default 0;
