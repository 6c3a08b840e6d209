use super::*;
use tokio::time::timeout;

const SOON: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn an_item_is_queued_once_however_often_it_is_added() {
    let queue = WorkQueue::observed(());
    queue.add("a", Duration::ZERO);
    queue.add("a", Duration::ZERO);
    assert_eq!(queue.next().await, "a");
    queue.finish("a", Outcome::Done);
    assert!(timeout(Duration::from_secs(900), queue.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_added_during_its_work_is_requeued_and_never_in_work_twice() {
    let queue = WorkQueue::observed(());
    queue.add("a", Duration::ZERO);
    assert_eq!(queue.next().await, "a");
    queue.add("a", Duration::ZERO);
    assert!(timeout(SOON, queue.next()).await.is_err());
    queue.finish("a", Outcome::Done);
    assert_eq!(queue.next().await, "a");
}

#[tokio::test(start_paused = true)]
async fn failures_back_off_and_adding_an_item_ends_its_backoff() {
    let queue = WorkQueue::observed(());
    queue.add("a", Duration::ZERO);
    let mut pauses = Vec::new();
    for _ in 0..11 {
        let began = Instant::now();
        assert_eq!(queue.next().await, "a");
        pauses.push(began.elapsed().as_secs());
        assert_eq!(queue.attempt(&"a") as usize, pauses.len());
        queue.finish("a", Outcome::Failed);
    }
    assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    queue.add("a", Duration::ZERO);
    let began = Instant::now();
    assert_eq!(queue.next().await, "a");
    assert_eq!(began.elapsed().as_secs(), 0);
    queue.finish("a", Outcome::Done);
    queue.add("a", Duration::ZERO);
    assert_eq!(queue.next().await, "a");
    queue.finish("a", Outcome::Failed);
    let began = Instant::now();
    assert_eq!(queue.next().await, "a");
    assert_eq!(began.elapsed().as_secs(), 1, "a success forgets the failures before it");
}

/// A thousand phones upgrade at once, and each changes ten times a second: they are written one after the other, each as
/// often as all the others, and none is forgotten.
#[tokio::test(start_paused = true)]
async fn a_thousand_items_have_their_turns_however_often_they_are_added() {
    let (apart, delay) = (Duration::from_millis(25), Duration::from_millis(1500));
    let queue = WorkQueue::observed(());
    let began = Instant::now();
    let mut written: Vec<(Duration, u32)> = Vec::new();
    for _ in 0..600 {
        (0..1000).for_each(|phone| queue.add_in_turn(phone, apart, delay));
        let until = Instant::now() + Duration::from_millis(100);
        while let Ok(phone) = tokio::time::timeout_at(until, queue.next()).await {
            written.push((began.elapsed(), phone));
            queue.finish(phone, Outcome::Done);
        }
    }
    assert!(written.windows(40).all(|some| some[39].0 - some[0].0 >= Duration::from_millis(950)), "40 a second");
    let times = |phone: u32| written.iter().filter(|(_, one)| *one == phone).count();
    let (least, most) = ((0..1000).map(times).min().unwrap(), (0..1000).map(times).max().unwrap());
    assert!(least >= 2 && most <= least + 1, "in a minute each was written {least} to {most} times");
    // An item with another reason to be reconciled does not wait for its turn.
    queue.add(7, Duration::ZERO);
    assert_eq!(queue.next().await, 7);
}

#[tokio::test(start_paused = true)]
async fn all_that_failed_is_tried_at_once_when_its_cause_may_be_over() {
    let queue = WorkQueue::observed(());
    for item in ["failed", "done", "later"] {
        queue.add(item, Duration::ZERO);
    }
    for _ in 0..3 {
        let item = queue.next().await;
        let outcome = match item {
            "failed" => Outcome::InTheWay(Duration::from_secs(50)),
            "later" => Outcome::RequeueAfter(Duration::from_secs(20)),
            _ => Outcome::Done,
        };
        queue.finish(item, outcome);
    }
    let began = Instant::now();
    queue.retry_all();
    assert_eq!((queue.next().await, began.elapsed().as_secs()), ("failed", 0));
    assert_eq!(queue.attempt(&"failed"), 2);
    queue.finish("failed", Outcome::InTheWay(Duration::from_secs(50)));
    assert_eq!((queue.next().await, began.elapsed().as_secs()), ("later", 20));
    queue.finish("later", Outcome::Done);
    assert_eq!((queue.next().await, began.elapsed().as_secs()), ("failed", 50));
    queue.finish("failed", Outcome::Done);
    queue.retry_all();
    assert!(timeout(Duration::from_secs(900), queue.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_earlier_time_holds() {
    let queue = WorkQueue::observed(());
    queue.add("a", Duration::from_secs(10));
    queue.add("a", Duration::from_secs(1));
    queue.add("a", Duration::from_secs(20));
    let began = Instant::now();
    assert_eq!(queue.next().await, "a");
    assert_eq!(began.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_items_is_counted() {
    #[derive(Default)]
    struct Counts(std::sync::Mutex<Vec<String>>);
    impl Observer<&str> for &Counts {
        fn added(&self, item: &&str) {
            self.0.lock().unwrap().push(format!("+{item}"));
        }

        fn taken(&self, item: &&str, waited: Duration) {
            self.0.lock().unwrap().push(format!("{item} after {}", waited.as_secs()));
        }

        fn finished(&self, item: &&str, took: Duration, failed: bool) {
            self.0.lock().unwrap().push(format!("{item} took {} {failed}", took.as_secs()));
        }
    }
    let counts = Counts::default();
    let queue = WorkQueue::observed(&counts);
    queue.add("a", Duration::from_secs(5));
    queue.add("a", Duration::from_secs(9));
    queue.add("later", Duration::from_secs(3600));
    tokio::time::advance(Duration::from_secs(7)).await;
    let now = || queue.standing(|item| item);
    assert_eq!(now(), [("a", Standing { due: 1, ..Standing::default() })].into(), "what is not due does not wait");
    assert_eq!(queue.next().await, "a");
    tokio::time::advance(Duration::from_secs(3)).await;
    let three = Duration::from_secs(3);
    let busy = Standing { running: 1, unfinished: three, longest: three, ..Standing::default() };
    assert_eq!(now(), [("a", busy)].into());
    queue.add("a", Duration::from_secs(3600));
    queue.add("a", Duration::from_secs(3600));
    queue.finish("a", Outcome::Failed);
    assert_eq!(now(), [("a", Standing { failing: 1, ..Standing::default() })].into());
    assert_eq!(*counts.0.lock().unwrap(), ["+a", "+later", "a after 2", "+a", "a took 3 true", "+a"]);
}
