-- Why exactly a task failed, where its code and message are the same for many reasons.
alter table task add column error_detail text;
