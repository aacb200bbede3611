//! Posts that wait for the hub's budget.

use std::sync::Arc;

use shuttle::scheduler::DfsScheduler;

use crate::net::sync::thread;
use crate::server::hub::admission::Budget;

use super::{check, run};

/// More than the whole budget.
const MUCH: usize = 5 * 1024 * 1024;

/// Checks the smallest cases in every schedule: with one waiting thread a few dozen, with two about
/// a million, which run only when there is time for them.
fn check_all(release: fn(&Budget)) {
    let most = match super::number("STENTOR_MODEL_SECONDS") {
        Some(_) => 2,
        None => 1,
    };
    for takers in 1..=most {
        let schedules = run(DfsScheduler::new(None, false), move || {
            let budget = Arc::new(Budget::default());
            budget.take(MUCH);
            let takers: Vec<_> = (0..takers)
                .map(|_| {
                    let budget = Arc::clone(&budget);
                    thread::spawn(move || budget.take(1))
                })
                .collect();
            release(&budget);
            for taker in takers {
                taker.join().unwrap();
            }
        });
        super::report(&format!("all {schedules} schedules with {takers} who wait"));
    }
}

#[test]
fn a_thread_that_waits_for_the_budget_is_woken_in_every_schedule() {
    check_all(|budget| budget.give_back(MUCH));
}

#[test]
fn no_thread_waits_for_a_closed_budget_in_any_schedule() {
    check_all(Budget::close);
}

#[test]
fn posts_that_wait_for_the_budget_are_all_woken() {
    check(|| {
        let budget = Arc::new(Budget::default());
        let takers: Vec<_> = (0..3)
            .map(|_| {
                let budget = Arc::clone(&budget);
                thread::spawn(move || {
                    for _ in 0..2 {
                        budget.take(MUCH);
                        budget.give_back(MUCH);
                    }
                })
            })
            .collect();
        for taker in takers {
            taker.join().unwrap();
        }
    });
}
