-- Which process an engine's worker belongs to: it says so itself, as the name of its connections.
-- Whoever knows that a process is dead can put its jobs back at once, instead of after its silence.
alter table procrastinate_workers
  add column process text not null default current_setting('application_name');
