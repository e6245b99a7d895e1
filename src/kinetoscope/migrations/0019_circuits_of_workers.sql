-- Each worker has circuits of its own. One that dies closes none: what was not noted lately is not
-- shown. Nobody knows whose the circuits of before were.
delete from provider_circuit;
alter table provider_circuit
  drop constraint provider_circuit_pkey,
  add column worker text not null,
  add primary key (provider, model, worker);
alter table provider_circuit rename column changed_at to noted_at;

-- The provider that once accepted a task. A distant one may have made and billed it, whatever it
-- says later: nobody else is asked then.
alter table task add column accepted_by text;
