//! Why an attempt brought no answer, what may help, and who is to blame.

use std::time::Duration;

use bytes::Bytes;
use gateway_resilience::walk::Failure;
use gateway_types::{ApiError, ErrorKind, Fault, Remedy};
use http::{HeaderMap, StatusCode};

use crate::record::Served;

/// What the caller is told if nothing helps.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The gateway says so.
    Gateway(ApiError),
    /// The upstream says so, in Anthropic's shape or wrapped into it.
    Upstream(Box<Refused>),
}

/// An upstream's error, ready to be passed on.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Whose.
    pub(crate) provider: std::sync::Arc<str>,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An attempt without an answer.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) refusal: Refusal,
    pub(crate) remedy: Remedy,
    /// A limit that holds for the whole account.
    pub(crate) account: bool,
    /// Whether it speaks against the upstream: it can't be reached, is late, breaks off, answers nonsense or a
    /// fault of its own.
    pub(crate) blame: bool,
    /// The status that the upstream itself answered with, if it did.
    pub(crate) answered: Option<StatusCode>,
    /// Who was asked, if somebody was.
    pub(crate) served: Option<Box<Served>>,
}

impl Failed {
    /// What an upstream answered.
    pub(crate) fn upstream(refused: Refused, remedy: Remedy) -> Self {
        let blame =
            refused.status.is_server_error() || refused.status == StatusCode::REQUEST_TIMEOUT;
        let answered = Some(refused.status);
        let refusal = Refusal::Upstream(Box::new(refused));
        Self { refusal, remedy, account: false, blame, answered, served: None }
    }

    /// The same, with this to be done about it.
    pub(crate) fn with_remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = remedy;
        self
    }

    /// In the words of the walk.
    pub(crate) fn failure(&self) -> Failure {
        let failure = Failure::new(self.remedy);
        match self.answered {
            Some(status) => failure.with_status(status.as_u16()),
            None => failure,
        }
    }

    /// As the gateway's own error.
    pub(crate) fn told(self) -> ApiError {
        match self.refusal {
            Refusal::Gateway(err) => err,
            Refusal::Upstream(refused) => {
                let text = format!("{} answered {}", refused.provider, refused.status);
                ApiError::new(ErrorKind::BadGateway, text)
            }
        }
    }

    /// The status that the caller would see.
    pub(crate) fn status(&self) -> StatusCode {
        match &self.refusal {
            Refusal::Gateway(err) => err.status(),
            Refusal::Upstream(refused) => refused.status,
        }
    }

    /// How much it helps the caller to know.
    pub(crate) fn weight(&self) -> Weight {
        let authentication = self.status() == StatusCode::UNAUTHORIZED;
        match self.remedy {
            Remedy::Larger => Weight::Request,
            Remedy::After(wait) if wait <= SOON => Weight::Passing,
            // The key is rejected, or its money or quota is used up.
            Remedy::After(_) | Remedy::NextKey => Weight::Key,
            _ if authentication => Weight::Key,
            _ if self.blame || self.status() == StatusCode::TOO_MANY_REQUESTS => Weight::Trouble,
            _ => Weight::Unfit,
        }
    }
}

/// A limit that lasts longer does not pass while anybody waits for it.
pub(crate) const SOON: Duration = Duration::from_secs(600);

/// Of several failures the caller is told the one that helps most: what is wrong with the request, then what
/// will pass, then what somebody else has to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Somebody has to mend a key.
    Key,
    /// This upstream can't be asked that; others were thought to be able to.
    Unfit,
    /// The upstream is in trouble.
    Trouble,
    /// It is over after a known time.
    Passing,
    /// The request itself.
    Request,
}

impl From<ApiError> for Failed {
    fn from(err: ApiError) -> Self {
        let kind = err.kind();
        let blame = matches!(
            kind,
            ErrorKind::BadGateway
                | ErrorKind::Timeout
                | ErrorKind::UpstreamFailed
                | ErrorKind::UpstreamOverloaded
        );
        let remedy = match kind {
            ErrorKind::Authentication => Remedy::NextKey,
            // It would only begin to think anew (R38).
            ErrorKind::Timeout => Remedy::NextProvider,
            _ if err.should_retry() == Some(false) => Remedy::NextProvider,
            ErrorKind::BadGateway | ErrorKind::UpstreamFailed | ErrorKind::UpstreamOverloaded => {
                Remedy::Same
            }
            // The gateway's own lack of room: no other upstream has more.
            ErrorKind::Overloaded => Remedy::Final,
            _ => Remedy::NextProvider,
        };
        let refusal = Refusal::Gateway(err);
        Self { refusal, remedy, account: false, blame, answered: None, served: None }
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        let Fault { error, remedy, account } = fault;
        Self { remedy, account, ..Self::from(error) }
    }
}
