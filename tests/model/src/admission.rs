//! Posts that wait for the hub's budget.

use std::sync::Arc;

use shuttle::scheduler::DfsScheduler;

use crate::net::sync::thread;
use crate::server::hub::admission::Admission;

use super::{check, run};

/// More than the whole budget.
const MUCH: usize = 5 * 1024 * 1024;

/// Checks the smallest cases in every schedule: with one waiting thread a few dozen, with two about
/// a million, which run only when there is time for them.
fn check_all(release: fn(&Admission)) {
    let most = match super::number("STENTOR_MODEL_SECONDS") {
        Some(_) => 2,
        None => 1,
    };
    for takers in 1..=most {
        let schedules = run(DfsScheduler::new(None, false), move || {
            let admission = Arc::new(Admission::default());
            admission.take(MUCH);
            let takers: Vec<_> = (0..takers)
                .map(|_| {
                    let admission = Arc::clone(&admission);
                    thread::spawn(move || admission.take(1))
                })
                .collect();
            release(&admission);
            for taker in takers {
                taker.join().unwrap();
            }
        });
        super::report(&format!("all {schedules} schedules with {takers} who wait"));
    }
}

#[test]
fn a_thread_that_waits_for_the_budget_is_woken_in_every_schedule() {
    check_all(|admission| admission.give_back(MUCH));
}

#[test]
fn no_thread_waits_for_a_closed_budget_in_any_schedule() {
    check_all(Admission::close);
}

#[test]
fn posts_that_wait_for_the_budget_are_all_woken() {
    check(|| {
        let admission = Arc::new(Admission::default());
        let takers: Vec<_> = (0..3)
            .map(|_| {
                let admission = Arc::clone(&admission);
                thread::spawn(move || {
                    for _ in 0..2 {
                        admission.take(MUCH);
                        admission.give_back(MUCH);
                    }
                })
            })
            .collect();
        for taker in takers {
            taker.join().unwrap();
        }
    });
}
