/* optimize and prune: both end with another model, its report and its plan. */
#include "base/os.h"
#include "outputs.h"
#include "report/json.h"
#include "tables.h"

static status finish(struct session *session, struct job *job, struct diag *diag) {
    const status result = print_pruning(session, job, diag);
    if (result != STATUS_OK) return result;
    const struct options *options = &session->options;
    const struct outputs outputs = {.json = options->json ? json_report(session->arena, &job->record) : NULL,
                                    .plan = options->plan_out ? job->record.plan : NULL,
                                    .model = job->model};
    if (options->plan_out && !outputs.plan) return diag_fail(diag, STATUS_BUG, "--plan-out: the job made no plan");
    return outputs_write(session, &outputs, diag);
}

status run_optimize(struct session *session, struct diag *diag) {
    if (!session->options.offchip.is_given && !(session->options.max_error > 0))
        return diag_fail(diag, STATUS_USAGE, "optimize: at least one budget is needed, for example --offchip -30%%");
    struct job job;
    status result = session_open(session, &job, session->options.input, diag);
    if (result == STATUS_OK) result = job_optimize(&job, diag);
    return result == STATUS_OK ? finish(session, &job, diag) : result;
}

status run_prune(struct session *session, struct diag *diag) {
    struct os_file plan;
    struct job job;
    if (!session->options.plan) return diag_fail(diag, STATUS_USAGE, "prune: --plan FILE is needed");
    status result = os_map_file(session->arena, session->options.plan, &plan, diag);
    if (result == STATUS_OK) result = session_open(session, &job, session->options.input, diag);
    if (result == STATUS_OK) result = job_prune(&job, (const char *)plan.bytes, plan.size, diag);
    return result == STATUS_OK ? finish(session, &job, diag) : result;
}
