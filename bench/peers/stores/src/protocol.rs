//! The commands of the bench, and the answers to them.

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, chain};
use crate::lambda::Lambda;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(crate) enum Command {
    /// Create the tables, as the peer's documentation describes.
    Create,
    /// Store a whole stream, as if each event had been a commit of its own. The buyer must have no events yet.
    Lay { buyer: String, bodies: Vec<String> },
    /// Handle one batch of an SQS FIFO queue.
    Deliver { messages: Vec<Message> },
    /// Discard everything that does not survive a cold start.
    Restart,
}

/// One message. Its group, the buyer, is also in its body.
#[derive(Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Created {
        tables: Vec<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        idempotency: Option<&'static str>,
    },
    Delivered {
        recorded: usize,
        repeats: usize,
    },
    /// The peer cannot execute the command, for this reason.
    Refused {
        error: String,
    },
    Done {},
}

/// Executes a command. A refusal of the peer is an answer; every other failure ends the process.
pub(crate) async fn answer(lambda: &mut Lambda, command: Command) -> Result<Answer, Failure> {
    let answered = match command {
        Command::Create => return lambda.create().await,
        Command::Lay { buyer, bodies } => lambda.lay(&buyer, &bodies).await.map(|()| Answer::Done {}),
        Command::Deliver { messages } => {
            let delivered = messages.len();
            let counted = |recorded| Answer::Delivered { recorded, repeats: delivered - recorded };
            lambda.deliver(messages).await.map(counted)
        }
        Command::Restart => {
            lambda.restart();
            Ok(Answer::Done {})
        }
    };
    Ok(answered.unwrap_or_else(|failure| Answer::Refused { error: chain(&failure) }))
}
