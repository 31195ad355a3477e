"""Made-up learners who answer questions about slides of made-up lectures."""
