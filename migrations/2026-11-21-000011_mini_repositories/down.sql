DROP TRIGGER batches_repository_deleted ON builds;
DROP TRIGGER batches_repository ON builds;
DROP FUNCTION batches_repository();
DROP TABLE mini_repositories;
DROP SEQUENCE mini_revisions;
DELETE FROM jobs WHERE kind IN ('mini_repository', 'batch_repository');
