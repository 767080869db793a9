//! A case: what is asked, and who judges.

use std::borrow::Cow;
use std::fmt;

use crate::exchange::{Ask, Exchange, Setting};
use crate::finding::Judgement;
use crate::judge;

type Asks = dyn Fn(&Setting, &[Exchange]) -> Vec<Ask> + Send + Sync;
type Judge = dyn Fn(&Setting, &[Exchange], &mut Judgement) + Send + Sync;

/// One thing an endpoint can get wrong.
#[must_use]
pub struct Case {
    /// What it is called, `group.name`.
    pub id: Cow<'static, str>,
    /// What it checks, in one sentence.
    pub checks: Cow<'static, str>,
    /// The rows of the client's contract (C) and of the behaviours (R) that ask for it.
    pub rows: &'static [&'static str],
    /// Whether it is run only when asked for: it sends a very large prompt, or may use a paid tool.
    pub expensive: bool,
    steps: Vec<Step>,
    judges: Vec<Box<Judge>>,
}

/// Requests that are sent at once, when those before have been answered.
struct Step {
    /// How many at most.
    up_to: usize,
    asks: Box<Asks>,
}

impl Case {
    /// A case that asks and judges nothing yet.
    pub fn new(
        id: impl Into<Cow<'static, str>>,
        checks: impl Into<Cow<'static, str>>,
        rows: &'static [&'static str],
    ) -> Self {
        Self {
            id: id.into(),
            checks: checks.into(),
            rows,
            expensive: false,
            steps: Vec::new(),
            judges: Vec::new(),
        }
    }

    /// Asks this.
    pub fn ask(self, ask: impl Fn(&Setting) -> Ask + Send + Sync + 'static) -> Self {
        self.step(1, move |setting, _| vec![ask(setting)])
    }

    /// Asks these at once.
    pub fn ask_all(
        self,
        up_to: usize,
        asks: impl Fn(&Setting) -> Vec<Ask> + Send + Sync + 'static,
    ) -> Self {
        self.step(up_to, move |setting, _| asks(setting))
    }

    /// Then asks this, if the answers so far give reason to.
    pub fn then(
        self,
        ask: impl Fn(&Setting, &[Exchange]) -> Option<Ask> + Send + Sync + 'static,
    ) -> Self {
        self.step(1, move |setting, done| ask(setting, done).into_iter().collect())
    }

    /// Has the last exchange judged.
    pub fn judge(
        self,
        judge: impl Fn(&Setting, &Exchange, &mut Judgement) + Send + Sync + 'static,
    ) -> Self {
        self.judge_all(move |setting, done, j| {
            if let Some(last) = done.last() {
                judge(setting, last, j);
            }
        })
    }

    /// Has all exchanges judged.
    pub fn judge_all(
        mut self,
        judge: impl Fn(&Setting, &[Exchange], &mut Judgement) + Send + Sync + 'static,
    ) -> Self {
        self.judges.push(Box::new(judge));
        self
    }

    /// Expects a 200 with a legal reply.
    pub fn accepted(self) -> Self {
        self.judge(|_, exchange, j| drop(judge::told(exchange, j)))
    }

    /// Run only when asked for.
    pub fn expensive(mut self) -> Self {
        self.expensive = true;
        self
    }

    fn step(
        mut self,
        up_to: usize,
        asks: impl Fn(&Setting, &[Exchange]) -> Vec<Ask> + Send + Sync + 'static,
    ) -> Self {
        self.steps.push(Step { up_to, asks: Box::new(asks) });
        self
    }

    /// How many steps it has.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// What its step number `step` asks after what was answered so far. None: the case ends here.
    pub fn asks(&self, step: usize, setting: &Setting, done: &[Exchange]) -> Vec<Ask> {
        self.steps.get(step).map(|step| (step.asks)(setting, done)).unwrap_or_default()
    }

    /// How many requests its later steps send at most; those of the first are known.
    pub fn later_asks(&self) -> usize {
        self.steps.iter().skip(1).map(|step| step.up_to).sum()
    }

    /// Says what is wrong with what came.
    pub fn verdict(&self, setting: &Setting, done: &[Exchange]) -> Judgement {
        let mut judgement = Judgement::default();
        for judge in &self.judges {
            judge(setting, done, &mut judgement);
        }
        judgement
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("id", &self.id).finish_non_exhaustive()
    }
}
