//! What a test does around the calls to an adapter: count and record them, let time pass, record a fact at that moment,
//! or inject a fault.

use std::cell::{Cell, RefCell};

use contract::stored::StoredCommit;
use domain::BuyerId;

/// A call to an adapter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Call<'a> {
    /// The operation, for example `page` or `claim`.
    pub operation: &'static str,
    /// The buyer concerned; empty if the call concerns none or several.
    pub buyer: &'a str,
    /// What else distinguishes the call: the effect key of an e-mail, the kind of open work, or the buyer of a page.
    pub about: &'a str,
    /// How many items it asks for, if it says so.
    pub limit: Option<usize>,
    /// The commit that it appends or clears.
    pub commit: Option<&'a StoredCommit>,
}

impl Call<'_> {
    /// The name of the call: the operation, and what else distinguishes it, as in `claim quote-email`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.operation, self.about).trim_end().to_owned()
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is made as if there were no hook.
    Passes,
    /// It fails without effect.
    Fails,
    /// It takes effect, but its answer is lost.
    LosesAnswer,
    /// It has no effect and is never answered, as if the caller had crashed before it.
    Hangs,
    /// It takes effect and is never answered, as if the caller had crashed after it.
    HangsAfterwards,
    /// It panics.
    Panics,
}

/// Acts around every call to an adapter.
#[expect(async_fn_in_trait, reason = "every test runs on one thread, no future needs to be Send")]
pub trait Hook {
    /// Runs before a call and decides what becomes of it.
    async fn before(&self, _: &Call<'_>) -> Fate {
        Fate::Passes
    }

    /// Runs after a call that passed, before its answer arrives.
    async fn after(&self, _: &Call<'_>) {}
}

/// Does nothing.
impl Hook for () {}

/// Runs an action before every call, which decides what becomes of it.
#[derive(Debug)]
pub struct Before<F>(pub F);

impl<F: AsyncFn(&Call<'_>) -> Fate> Hook for Before<F> {
    async fn before(&self, call: &Call<'_>) -> Fate {
        (self.0)(call).await
    }
}

/// Runs an action after every call that was answered.
#[derive(Debug)]
pub struct After<F>(pub F);

impl<F: AsyncFn(&Call<'_>)> Hook for After<F> {
    async fn after(&self, call: &Call<'_>) {
        (self.0)(call).await;
    }
}

/// Runs an action before every call of one operation.
#[derive(Debug)]
pub struct BeforeEach<F>(pub &'static str, pub F);

impl<F: AsyncFn(&Call<'_>)> Hook for BeforeEach<F> {
    async fn before(&self, call: &Call<'_>) -> Fate {
        if call.operation == self.0 {
            (self.1)(call).await;
        }
        Fate::Passes
    }
}

/// Runs an action before the first call with a certain name.
#[derive(Debug)]
pub struct BeforeFirst<'a, F> {
    name: &'a str,
    is_over: Cell<bool>,
    action: F,
}

impl<'a, F: AsyncFn()> BeforeFirst<'a, F> {
    /// Runs `action` before the first call with this name.
    #[must_use]
    pub const fn new(name: &'a str, action: F) -> Self {
        Self { name, is_over: Cell::new(false), action }
    }
}

impl<F: AsyncFn()> Hook for BeforeFirst<'_, F> {
    async fn before(&self, call: &Call<'_>) -> Fate {
        if call.name() == self.name && !self.is_over.replace(true) {
            (self.action)().await;
        }
        Fate::Passes
    }
}

/// Which calls a fault concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Every call.
    Every,
    /// The call with this number, counted from 0 over all adapters that share the hook.
    Nth(usize),
    /// The calls with this name.
    Named(String),
    /// The calls of this operation for this buyer.
    Of(&'static str, BuyerId),
}

/// Records the name of every call, and injects the faults that a test sets.
#[derive(Debug, Default)]
pub struct Faults {
    calls: RefCell<Vec<(String, Fate)>>,
    faults: RefCell<Vec<Fault>>,
}

#[derive(Debug)]
struct Fault {
    which: Which,
    fate: Fate,
    is_once: bool,
}

impl Faults {
    /// Gives the calls with this name this fate.
    #[must_use]
    pub fn always(name: &str, fate: Fate) -> Self {
        let faults = Self::default();
        faults.set(Which::Named(name.to_owned()), fate);
        faults
    }

    /// Gives the first call with this name this fate.
    #[must_use]
    pub fn once(name: &str, fate: Fate) -> Self {
        let faults = Self::default();
        faults.set_once(Which::Named(name.to_owned()), fate);
        faults
    }

    /// Gives the calls with these numbers these fates.
    #[must_use]
    pub fn at(numbers: &[(usize, Fate)]) -> Self {
        let faults = Self::default();
        for (number, fate) in numbers {
            faults.set(Which::Nth(*number), *fate);
        }
        faults
    }

    /// Gives these calls this fate from now on.
    pub fn set(&self, which: Which, fate: Fate) {
        self.faults.borrow_mut().push(Fault { which, fate, is_once: false });
    }

    /// Gives the next of these calls this fate.
    pub fn set_once(&self, which: Which, fate: Fate) {
        self.faults.borrow_mut().push(Fault { which, fate, is_once: true });
    }

    fn fate_of(&self, number: usize, name: &str, call: &Call<'_>) -> Fate {
        let mut faults = self.faults.borrow_mut();
        let concerns = |fault: &Fault| match &fault.which {
            Which::Every => true,
            Which::Nth(nth) => *nth == number,
            Which::Named(wanted) => wanted == name,
            Which::Of(operation, buyer) => *operation == call.operation && buyer.as_str() == call.buyer,
        };
        let Some(found) = faults.iter().position(concerns) else { return Fate::Passes };
        if faults[found].is_once { faults.remove(found).fate } else { faults[found].fate }
    }

    /// Ends all faults.
    pub fn end(&self) {
        self.faults.borrow_mut().clear();
    }

    /// The names of all calls since the last [`take`](Self::take).
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.calls.borrow().iter().map(|(name, _)| name.clone()).collect()
    }

    /// The names of all calls since the last time.
    pub fn take(&self) -> Vec<String> {
        self.calls.take().into_iter().map(|(name, _)| name).collect()
    }

    /// The calls that met a fault since the last [`take`](Self::take), each with its fate.
    #[must_use]
    pub fn happened(&self) -> Vec<(String, Fate)> {
        let calls = self.calls.borrow();
        calls.iter().filter(|(_, fate)| *fate != Fate::Passes).cloned().collect()
    }
}

impl Hook for Faults {
    async fn before(&self, call: &Call<'_>) -> Fate {
        let (number, name) = (self.calls.borrow().len(), call.name());
        let fate = self.fate_of(number, &name, call);
        self.calls.borrow_mut().push((name, fate));
        fate
    }
}
