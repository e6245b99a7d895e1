-- Tasks of test keys are counted by themselves: a rehearsal takes no place from what is paid for.
alter table account
  add tests_running integer not null default 0 check (tests_running >= 0);

update account
set tasks_running = account.tasks_running - open_test.tasks,
    tests_running = open_test.tasks
from (
  select account_id, count(*) as tasks from task
  where status in ('waiting', 'generating') and is_test and not is_sample
  group by account_id
) as open_test
where open_test.account_id = account.id;
