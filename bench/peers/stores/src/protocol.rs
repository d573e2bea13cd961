//! The commands of whoever measures, and what each is answered.

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, chain};
use crate::lambda::Lambda;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub(crate) enum Command {
    /// Create the tables as the peer's documentation says.
    Create,
    /// Put a whole stream into the tables, one commit for each event. It must not have any events yet.
    Lay { buyer: String, bodies: Vec<String> },
    /// Handle one batch of an SQS FIFO queue.
    Deliver { messages: Vec<Message> },
    /// Forget what a cold start forgets.
    Restart,
}

/// One message. Its group is the buyer, whom its body names too.
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
    /// The peer cannot do this, and why.
    Refused {
        error: String,
    },
    Done {},
}

/// Does what is asked. What the peer itself refuses is an answer; every other failure ends the process.
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
