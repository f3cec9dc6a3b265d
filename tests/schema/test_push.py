#!/usr/bin/python3
"""Push jobs under many workers and services at once.

Prints TAP. The database is that of tests/schema/run.sh, by the environment; what it leaves is of names of its own.
"""
import sys
import threading
import time
import unittest

import psycopg2

USERS = 300


def connect():
    connection = psycopg2.connect("")
    connection.autocommit = True
    return connection


class Push(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = connect().cursor()
        cls.db.execute("""
            select gnatter.create_user('many' || n) from generate_series(1, %(users)s) n;
            select gnatter.add_device('many' || n, 'd') from generate_series(1, %(users)s) n;
            select gnatter.push_register('many' || n, 'd', '{"provider": "webhook"}') from generate_series(2, %(users)s) n;
            select gnatter.create_group('many', 'many1', array(select 'many' || n from generate_series(2, %(users)s) n));
            select gnatter.create_user('few' || n) from generate_series(1, 1000) n;
            select gnatter.add_device('few' || n, 'd') from generate_series(1, 1000) n;
            select gnatter.create_group('few', 'few1', array(select 'few' || n from generate_series(2, 1000) n));
            analyze""", {"users": USERS})

    def say(self, group, device):
        self.db.execute("""
            select a.* from gnatter.conversation c, gnatter.device_open(array[%s]) d, lateral gnatter.append_careful(
                array[c.conversation_id], array[d.user_id], array[d.device_id], array[gen_random_uuid()::text], array['x'::bytea]) a
             where c.name = %s""", (device, group))

    def evaluate(self, group, db=None):
        db = db or self.db
        db.execute("select coalesce(sum(jobs), 0)::int from gnatter.push_evaluate("
                   "array(select conversation_id from gnatter.conversation where name = %s), '{}', 0, 3600)", (group,))
        return db.fetchone()[0]

    def together(self, count, work):
        problems, results, lock = [], [], threading.Lock()

        def run(number):
            connection = connect()
            try:
                result = work(connection.cursor(), number)
                with lock:
                    results.append(result)
            except Exception as problem:  # shown below
                problems.append(problem)
            finally:
                connection.close()

        threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(problems, [])
        self.assertEqual(len(results), count)
        return results

    def test_services_that_look_at_once_make_one_wake_up_and_workers_claim_each_once(self):
        self.say("g/many", "many1:d")
        made = self.together(6, lambda db, _: self.evaluate("g/many", db))
        self.assertEqual(sum(made), USERS - 1, "one job per device, whoever looks")

        all_there = threading.Barrier(8)

        def worker(db, number):
            mine = []
            while True:
                if len(mine) <= 7:  # nobody is done before all have begun
                    all_there.wait(60)
                db.execute("select job_id from gnatter.push_claim('{webhook}', %s, 7, 60000, 3600, 'wake')", (f"w{number}",))
                rows = [row[0] for row in db.fetchall()]
                if not rows:
                    return mine
                mine += rows
                db.execute("select gnatter.push_finish(%(w)s, %(j)s::bigint[], array_fill('sent'::text, array[%(n)s]),"
                           " array_fill(0::bigint, array[%(n)s]), array_fill(0::bigint, array[%(n)s]),"
                           " array_fill(0::bigint, array[%(n)s]), array_fill(''::text, array[%(n)s]))",
                           {"w": f"w{number}", "j": rows, "n": len(rows)})

        claims = self.together(8, worker)
        claimed = sorted(job for mine in claims for job in mine)
        self.assertEqual(len(claimed), USERS - 1)
        self.assertEqual(len(set(claimed)), USERS - 1, "no job twice")
        self.assertGreater(sum(1 for mine in claims if mine), 1, "several workers had some")
        self.db.execute("select count(*) from gnatter.push_job where state <> 'sent' or attempt <> 0")
        self.assertEqual(self.db.fetchone()[0], 0)

    def test_what_a_worker_lost_is_claimed_again_and_it_cannot_write_any_more(self):
        self.db.execute("select gnatter.create_user('late'), gnatter.create_user('later');"
                        "select gnatter.add_device('late', 'd'), gnatter.add_device('later', 'd');"
                        "select gnatter.push_register('late', 'd', '{\"provider\": \"fcm\", \"token\": \"0123456789abcdef\"}');"
                        "select gnatter.create_group('late', 'later', '{late}')")
        self.say("g/late", "later:d")
        self.assertEqual(self.evaluate("g/late"), 1)
        claim = "select job_id, attempt from gnatter.push_claim('{fcm}', %s, 7, 50, 3600, 'wake')"
        self.db.execute(claim, ("dead",))
        (job, attempt), = self.db.fetchall()
        self.assertEqual(attempt, 1)
        time.sleep(0.1)  # its lease
        self.db.execute(claim, ("alive",))
        self.assertEqual(self.db.fetchall(), [(job, 2)])
        finish = "select gnatter.push_finish(%s, array[%s::bigint], array[%s], '{0}', '{0}', '{0}', '{x}')"
        self.db.execute(finish, ("dead", job, "failed"))
        self.db.execute("select state from gnatter.push_job where job_id = %s", (job,))
        self.assertEqual(self.db.fetchone()[0], "sending")
        self.db.execute(finish, ("alive", job, "sent"))
        self.db.execute("select state from gnatter.push_job where job_id = %s", (job,))
        self.assertEqual(self.db.fetchone()[0], "sent")

    def test_a_large_group_without_registrations_costs_little(self):
        self.say("g/few", "few1:d")
        self.evaluate("g/few")
        began = time.monotonic()
        for _ in range(20):
            self.assertEqual(self.evaluate("g/few"), 0)
        self.assertLess((time.monotonic() - began) / 20, 0.05, "1,000 members")


    @classmethod
    def tearDownClass(cls):
        cls.db.execute("delete from gnatter.push_registration; delete from gnatter.push_job; delete from gnatter.push_wake")


class Tap(unittest.TextTestResult):
    def addSuccess(self, test):
        super().addSuccess(test)
        print(f"ok {self.testsRun} - {test}", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        print(f"not ok {self.testsRun} - {test}", flush=True)

    addError = addFailure


if __name__ == "__main__":
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Push)
    print(f"1..{suite.countTestCases()}")
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=Tap, verbosity=0, descriptions=False)
    raise SystemExit(not runner.run(suite).wasSuccessful())
