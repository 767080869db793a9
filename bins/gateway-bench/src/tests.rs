//! The load generator against its own upstream, and through the minimal proxies: that what it
//! counts is right, whatever the time it takes.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::floor::{self, Work};
use crate::load::{Callers, Until, Want};
use crate::target::Target;
use crate::upstream::Upstream;
use crate::workload::{RENAMED_FROM, RENAMED_TO, Workload};

const EACH: usize = 3;

async fn through(addr: SocketAddr, upstream: &Upstream, target: &Target) {
    let all = [
        Workload::unary_small(),
        Workload::unary_captured(),
        Workload::flood(),
        Workload::first_events(),
    ];
    for mut workload in all {
        workload.pattern.delays = true;
        let (ask, script) = workload.for_target(target).unwrap();
        upstream.play(script);
        let mut callers = Callers::connect(addr, 4).await.unwrap();
        let tally = callers.run(&ask, workload.pattern, Until::Count(EACH)).await.unwrap();
        upstream.check().unwrap();
        assert_eq!(tally.requests, 4 * EACH as u64);
        assert_eq!(tally.waits.len(), 4 * EACH);
        if let Want::Stream { events, .. } = ask.want {
            assert_eq!(tally.events, (4 * EACH * events) as u64);
        }
    }
}

fn on_a_runtime(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

#[test]
fn every_reply_is_counted_and_right() {
    on_a_runtime(async {
        let upstream = Upstream::start().unwrap();
        through(upstream.addr, &upstream, &Target::Direct).await;
        for (target, work) in [
            (Target::Floor, Work::Stream),
            (
                Target::FloorSplice,
                Work::Splice { from: RENAMED_FROM.to_owned(), to: RENAMED_TO.into() },
            ),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            tokio::task::spawn_local(floor::serve(listener, upstream.addr, work));
            through(addr, &upstream, &target).await;
        }
    });
}

#[test]
fn a_wrong_request_and_a_wrong_reply_end_the_run() {
    on_a_runtime(async {
        let upstream = Upstream::start().unwrap();
        let workload = Workload::unary_captured();
        // What a proxy that renames would have sent is not what comes.
        let (ask, script) = workload.for_target(&Target::FloorSplice).unwrap();
        upstream.play(script);
        let mut callers = Callers::connect(upstream.addr, 2).await.unwrap();
        assert!(callers.run(&ask, workload.pattern, Until::Count(1)).await.is_err());
        assert!(upstream.check().is_err());

        let (mut ask, script) = workload.for_target(&Target::Direct).unwrap();
        upstream.play(script);
        if let Want::Body(body) = &mut ask.want {
            let mut other = body.to_vec();
            other[5] ^= 1;
            *body = other.into();
        }
        let mut callers = Callers::connect(upstream.addr, 2).await.unwrap();
        let fault = callers.run(&ask, workload.pattern, Until::Count(1)).await.unwrap_err();
        assert!(format!("{fault:#}").contains("other bytes"), "{fault:#}");
    });
}
