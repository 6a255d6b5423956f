/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/posted.h"

#include "pmpi/ft.h"
#include "pmpi/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int vc_posted_keep_type(struct vc_posted *op, struct vc_dtype *t)
{
    if (t->predefined)
        return VC_OK;
    MPI_Datatype *more = realloc(op->types, ((size_t)op->ntypes + 1) * sizeof(MPI_Datatype));
    if (!more)
        return vc_fail(VC_ERR_NOMEM, "no memory for a datatype of a nonblocking collective");
    op->types = more;
    if (vc_next.Type_dup(t->type, &more[op->ntypes]) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Type_dup failed");
    t->type = more[op->ntypes++];
    return VC_OK;
}

int vc_posted_keep_displs(struct vc_posted *op, bool sends)
{
    const void **displs = sends ? &op->k.sdispls : &op->k.rdispls;
    size_t bytes = (size_t)op->comm->size * (op->k.wide ? sizeof(MPI_Aint) : sizeof(int));
    op->displs = malloc(bytes);
    if (!op->displs)
        return vc_fail(VC_ERR_NOMEM, "no memory for the displacements of a nonblocking collective");
    memcpy(op->displs, *displs, bytes);
    *displs = op->displs;
    return VC_OK;
}

void vc_posted_see(struct vc_posted *op, size_t len)
{
    if (vc_view_may(op->comm, &op->k, len))
        op->view = vc_view_create();
}

void vc_posted_release(struct vc_posted *op)
{
    for (int i = 0; i < VC_SCRATCHES; i++) {
        free(op->mem[i]);
        op->mem[i] = NULL;
    }
    for (int i = 0; i < op->ntypes; i++)
        vc_next.Type_free(&op->types[i]);
    op->ntypes = 0;
    free(op->types);
    op->types = NULL;
    vc_view_destroy(op->view);
    op->view = NULL;
    free(op->displs);
    op->displs = NULL;
    free(op->state);
    op->state = NULL;
}

void (*vc_posted_began)(const struct vc_call *);

static int begin(struct vc_posted *op)
{
    struct vc_team *t = op->team;
    op->begun = true;
    op->whom = VC_WAIT_ANY;
    if (!op->by_plan)
        return vc_node_start(t->node, &op->call);
    struct vc_plan_slot *slot;
    int err = vc_plans_get(t, &op->key, op->k.coll, &slot);
    if (err != VC_OK)
        return err;
    if (!slot->exec)
        return vc_fail(VC_ERR_INVAL, "the algorithm refuses the plan that was chosen");
    op->exec = slot->exec;
    op->k.via = slot->via;
    if (vc_posted_began)
        vc_posted_began(&op->k);
    vc_exec_pairs(op->exec, op->w.pairs);
    vc_exec_view(op->exec, op->w.view);
    return vc_exec_start(op->exec, op->w.send, op->w.recv, op->w.op);
}

int vc_posted_advance(struct vc_posted *op)
{
    int rc = op->begun ? VC_OK : begin(op);
    if (rc == VC_OK)
        rc =
            op->by_plan ? vc_exec_progress(op->exec) : vc_node_progress(op->team->node, &op->call, &op->whom);
    /* The plan's next run may have no view. */
    if (rc != 0 && op->w.view && op->exec)
        vc_exec_view(op->exec, NULL);
    return rc;
}

int vc_posted_whom(const struct vc_posted *op)
{
    if (!op->begun)
        return VC_WAIT_ANY;
    return op->by_plan ? vc_exec_whom(op->exec) : op->whom;
}

/* As vc_call_failed(), but for the communicator's state, which the next call on it changes. */
static void conclude_failure(struct vc_posted *op)
{
    op->class = vc_ft_class(op->k.comm, op->err);
    bool expected = op->class != MPI_ERR_OTHER;
    if (op->err == VC_ERR_TRUNCATE && !expected)
        op->class = MPI_ERR_TRUNCATE;
    if (!op->told)
        vc_log(expected ? VC_LOG_INFO : VC_LOG_ERROR, "%s of rank %d on a communicator of %d ranks: %s",
               vc_coll_name(op->k.coll), op->comm->rank, op->comm->size, op->why);
}

void vc_posted_end(struct vc_posted *op)
{
    if (op->err == VC_OK && op->finish && (op->err = op->finish(op)) != VC_OK)
        snprintf(op->why, sizeof op->why, "%s", vc_error_text());
    op->class = MPI_SUCCESS;
    if (op->err != VC_OK)
        conclude_failure(op);
    vc_posted_release(op);
}
