PRAGMA foreign_keys=OFF;
CREATE TABLE "django_celery_beat_clockedschedule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "clocked_time" datetime NOT NULL);
INSERT INTO "django_celery_beat_clockedschedule" VALUES(1,'2099-01-01 00:00:00');
CREATE TABLE "django_celery_beat_crontabschedule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "minute" varchar(240) NOT NULL, "hour" varchar(96) NOT NULL, "day_of_week" varchar(64) NOT NULL, "day_of_month" varchar(124) NOT NULL, "month_of_year" varchar(64) NOT NULL, "timezone" varchar(63) NOT NULL);
INSERT INTO "django_celery_beat_crontabschedule" VALUES(1,'30','7','mon-fri','*','*','Europe/Berlin');
CREATE TABLE "django_celery_beat_intervalschedule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "every" integer NOT NULL, "period" varchar(24) NOT NULL);
INSERT INTO "django_celery_beat_intervalschedule" VALUES(1,10,'seconds');
CREATE TABLE "django_celery_beat_periodictask" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(200) NOT NULL UNIQUE, "task" varchar(200) NOT NULL, "args" text NOT NULL, "kwargs" text NOT NULL, "queue" varchar(200) NULL, "exchange" varchar(200) NULL, "routing_key" varchar(200) NULL, "expires" datetime NULL, "enabled" bool NOT NULL, "last_run_at" datetime NULL, "total_run_count" integer unsigned NOT NULL CHECK ("total_run_count" >= 0), "date_changed" datetime NOT NULL, "description" text NOT NULL, "crontab_id" integer NULL REFERENCES "django_celery_beat_crontabschedule" ("id") DEFERRABLE INITIALLY DEFERRED, "interval_id" integer NULL REFERENCES "django_celery_beat_intervalschedule" ("id") DEFERRABLE INITIALLY DEFERRED, "solar_id" integer NULL REFERENCES "django_celery_beat_solarschedule" ("id") DEFERRABLE INITIALLY DEFERRED, "one_off" bool NOT NULL, "start_time" datetime NULL, "priority" integer unsigned NULL CHECK ("priority" >= 0), "headers" text NOT NULL, "clocked_id" integer NULL REFERENCES "django_celery_beat_clockedschedule" ("id") DEFERRABLE INITIALLY DEFERRED, "expire_seconds" integer unsigned NULL CHECK ("expire_seconds" >= 0));
INSERT INTO "django_celery_beat_periodictask" VALUES(1,'every ten','real.add','[1]','{"y": 2}','fast',NULL,NULL,NULL,1,'2026-01-02 03:04:05',7,'2026-11-28 14:52:09.101631','ten',NULL,1,NULL,0,NULL,3,'{}',NULL,60);
INSERT INTO "django_celery_beat_periodictask" VALUES(2,'mornings','real.add','[1]','{}',NULL,NULL,NULL,NULL,0,NULL,0,'2026-11-28 14:52:09.104965','',1,NULL,NULL,0,NULL,NULL,'{}',NULL,NULL);
INSERT INTO "django_celery_beat_periodictask" VALUES(3,'dusk','real.add','[1]','{}',NULL,NULL,NULL,NULL,1,NULL,0,'2026-11-28 14:52:09.108132','',NULL,NULL,1,0,NULL,NULL,'{"a": 1}',NULL,NULL);
INSERT INTO "django_celery_beat_periodictask" VALUES(4,'once','real.add','[1]','{}',NULL,NULL,NULL,NULL,1,NULL,0,'2026-11-28 14:52:09.111246','',NULL,NULL,NULL,1,NULL,NULL,'{}',1,NULL);
INSERT INTO "django_celery_beat_periodictask" VALUES(5,'first','real.add','[1]','{}',NULL,NULL,NULL,NULL,1,NULL,0,'2026-11-28 14:52:09.114368','',NULL,1,NULL,1,NULL,NULL,'{}',NULL,NULL);
CREATE TABLE "django_celery_beat_solarschedule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "event" varchar(24) NOT NULL, "latitude" decimal NOT NULL, "longitude" decimal NOT NULL);
INSERT INTO "django_celery_beat_solarschedule" VALUES(1,'sunset',52.5,13.4);
CREATE TABLE "django_celery_results_groupresult" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "group_id" varchar(255) NOT NULL UNIQUE, "date_created" datetime NOT NULL, "date_done" datetime NOT NULL, "content_type" varchar(128) NOT NULL, "content_encoding" varchar(64) NOT NULL, "result" text NULL);
INSERT INTO "django_celery_results_groupresult" VALUES(1,'real-group','2026-11-28 14:52:09.090467','2026-11-28 14:52:09.090484','application/json','utf-8','[["real-group", null], [[["real-1", null], null], [["real-2", null], null]]]');
CREATE TABLE "django_celery_results_taskresult" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "task_id" varchar(255) NOT NULL UNIQUE, "status" varchar(50) NOT NULL, "content_type" varchar(128) NOT NULL, "content_encoding" varchar(64) NOT NULL, "result" text NULL, "date_done" datetime NOT NULL, "traceback" text NULL, "meta" text NULL, "task_args" text NULL, "task_kwargs" text NULL, "task_name" varchar(255) NULL, "date_created" datetime NOT NULL, "worker" varchar(100) NULL, "periodic_task_name" varchar(255) NULL, "date_started" datetime NULL);
INSERT INTO "django_celery_results_taskresult" VALUES(1,'real-1','SUCCESS','application/json','utf-8','{"sum": 3}','2026-11-28 14:52:09.083745',NULL,'{"children": []}','[1]','{"y": 2}','real.add','2026-11-28 14:52:09.083716','vm',NULL,NULL);
INSERT INTO "django_celery_results_taskresult" VALUES(2,'real-2','FAILURE','application/json','utf-8','{"exc_type": "KeyError", "exc_message": ["\u00e9"], "exc_module": "builtins"}','2026-11-28 14:52:09.087370','Traceback (most recent call last):
  File "trace.py", line 564, in trace_task
    R = retval = fun(*args, **kwargs)
                 ^^^^^^^^^^^^^^^^^^^^
  File "go.py", line 11, in fail
    def fail(x): raise KeyError(x)
                 ^^^^^^^^^^^^^^^^^
KeyError: ''é''
','{"children": []}','["\u00e9"]','{}','real.fail','2026-11-28 14:52:09.087346','vm',NULL,NULL);
INSERT INTO "django_celery_results_taskresult" VALUES(3,'real-3','PROGRESS','application/json','utf-8','{"done": 3}','2026-11-28 14:52:09.088981',NULL,'{"children": null}',NULL,NULL,NULL,'2026-11-28 14:52:09.088961',NULL,NULL,NULL);
