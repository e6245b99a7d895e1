-- Which provider was asked for a task and why, what it cost there, and what operators should know.
alter table task
  add column upstream_model           text,    -- under which name the upstream was asked
  add column routing                  jsonb not null default '[]',
  add column reference_video_s        integer, -- measured when the references were gathered
  add column upstream_claim           text,    -- an id that a callback told; to be checked
  add column upstream_cost_usd_micros bigint;

create table alert (
  id         bigint generated always as identity primary key,
  kind       text not null,
  provider   text not null,
  task_id    text,
  message    text not null,
  created_at timestamptz not null
);
create index alert_recent on alert (created_at desc);

-- The last time a worker saw a provider's circuit open or close.
create table provider_circuit (
  provider   text not null,
  model      text not null,
  open       boolean not null,
  changed_at timestamptz not null,
  primary key (provider, model)
);
