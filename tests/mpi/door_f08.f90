! SPDX-License-Identifier: BSD-3-Clause
! Fortran with "use mpi_f08": six collectives and all nonblocking forms ten times each, an operator written in Fortran, and MPI_IN_PLACE.
module ops
  implicit none
contains
  ! The right operand: keeps the highest rank's value, so the order of operands shows.
  subroutine last(a, b, len, type)
    use, intrinsic :: iso_c_binding, only: c_ptr, c_f_pointer
    use mpi_f08, only: MPI_Datatype
    type(c_ptr), value :: a, b
    integer :: len
    type(MPI_Datatype) :: type
    integer, pointer :: p(:)
    call c_f_pointer(b, p, [len])
    p(1:len) = p(1:len) + 0 * type%MPI_VAL
  end subroutine last
end module ops

program door_f08
  use mpi_f08
  use ops
  implicit none
  integer :: err, me, n, i, x, s, root
  integer, asynchronous :: blk(64)
  integer :: all(64)
  logical :: l, every
  integer, asynchronous :: ix, is, ib, ir, iall(64), iall2(64)
  integer, asynchronous :: agv(64), a2v(64), a2w(64), ga(64), gav(64), sc, scv, rs, rsb, scan, exscan
  integer, asynchronous :: ones(64), at(64), bytes(64)
  type(MPI_Datatype), asynchronous :: types(64)
  type(MPI_Request) :: req(6), more(11)
  type(MPI_Op) :: op
  call MPI_Init(err)
  call MPI_Comm_rank(MPI_COMM_WORLD, me, err)
  call MPI_Comm_size(MPI_COMM_WORLD, n, err)
  call MPI_Op_create(last, .false., op, err)
  do i = 1, 10
    call MPI_Barrier(MPI_COMM_WORLD, err)
    x = me + i
    call MPI_Allreduce(x, s, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, err)
    if (s /= n * (n - 1) / 2 + n * i) call bad(1)
    call MPI_Allreduce(MPI_IN_PLACE, x, 1, MPI_INTEGER, MPI_MAX, MPI_COMM_WORLD, err)
    if (x /= n - 1 + i) call bad(2)
    root = mod(i, n)
    x = 100 * me
    call MPI_Reduce(x, s, 1, MPI_INTEGER, op, root, MPI_COMM_WORLD, err)
    if (me == root .and. s /= 100 * (n - 1)) call bad(3)
    x = me
    call MPI_Bcast(x, 1, MPI_INTEGER, root, MPI_COMM_WORLD, err)
    if (x /= root) call bad(4)
    x = me * i
    call MPI_Allgather(x, 1, MPI_INTEGER, all, 1, MPI_INTEGER, MPI_COMM_WORLD, err)
    if (all(n) /= (n - 1) * i) call bad(5)
    blk(1:n) = me
    call MPI_Alltoall(blk, 1, MPI_INTEGER, all, 1, MPI_INTEGER, MPI_COMM_WORLD, err)
    if (all(n) /= n - 1) call bad(6)
    ix = me + i
    ib = me
    call MPI_Ibarrier(MPI_COMM_WORLD, req(1), err)
    call MPI_Iallreduce(ix, is, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, req(2), err)
    call MPI_Ibcast(ib, 1, MPI_INTEGER, root, MPI_COMM_WORLD, req(3), err)
    call MPI_Iallgather(ix, 1, MPI_INTEGER, iall, 1, MPI_INTEGER, MPI_COMM_WORLD, req(4), err)
    call MPI_Ialltoall(blk, 1, MPI_INTEGER, iall2, 1, MPI_INTEGER, MPI_COMM_WORLD, req(5), err)
    call MPI_Ireduce(ix, ir, 1, MPI_INTEGER, MPI_MAX, root, MPI_COMM_WORLD, req(6), err)
    call MPI_Wait(req(6), MPI_STATUS_IGNORE, err)
    call MPI_Waitall(5, req, MPI_STATUSES_IGNORE, err)
    if (is /= n * (n - 1) / 2 + n * i) call bad(8)
    if (ib /= root) call bad(9)
    if (iall(n) /= n - 1 + i) call bad(10)
    if (iall2(n) /= n - 1) call bad(11)
    if (me == root .and. ir /= n - 1 + i) call bad(12)
    ! Those with a block or a length for each rank: each block is one integer, at every second place.
    ones = 1
    at = [(2 * x, x = 0, 63)]
    bytes = [(8 * x, x = 0, 63)]
    types = MPI_INTEGER
    blk = me
    call MPI_Iallgatherv(ix, 1, MPI_INTEGER, agv, ones, at, MPI_INTEGER, MPI_COMM_WORLD, more(1), err)
    call MPI_Ialltoallv(blk, ones, at, MPI_INTEGER, a2v, ones, at, MPI_INTEGER, MPI_COMM_WORLD, more(2), err)
    call MPI_Ialltoallw(blk, ones, bytes, types, a2w, ones, bytes, types, MPI_COMM_WORLD, more(3), err)
    call MPI_Igather(ix, 1, MPI_INTEGER, ga, 1, MPI_INTEGER, root, MPI_COMM_WORLD, more(4), err)
    call MPI_Igatherv(ix, 1, MPI_INTEGER, gav, ones, at, MPI_INTEGER, root, MPI_COMM_WORLD, more(5), err)
    call MPI_Iscatter(blk, 1, MPI_INTEGER, sc, 1, MPI_INTEGER, root, MPI_COMM_WORLD, more(6), err)
    call MPI_Iscatterv(blk, ones, at, MPI_INTEGER, scv, 1, MPI_INTEGER, root, MPI_COMM_WORLD, more(7), err)
    call MPI_Ireduce_scatter(blk, rs, ones, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, more(8), err)
    call MPI_Ireduce_scatter_block(blk, rsb, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, more(9), err)
    call MPI_Iscan(ix, scan, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, more(10), err)
    call MPI_Iexscan(ix, exscan, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, more(11), err)
    call MPI_Waitall(11, more, MPI_STATUSES_IGNORE, err)
    if (agv(2 * n - 1) /= n - 1 + i) call bad(13)
    if (a2v(2 * n - 1) /= n - 1 .or. a2w(2 * n - 1) /= n - 1) call bad(14)
    if (me == root) then
      if (ga(n) /= n - 1 + i .or. gav(2 * n - 1) /= n - 1 + i) call bad(15)
    end if
    if (sc /= root .or. scv /= root) call bad(16)
    if (rs /= n * (n - 1) / 2 .or. rsb /= n * (n - 1) / 2) call bad(17)
    if (scan /= me * (me + 1) / 2 + i * (me + 1)) call bad(18)
    if (me > 0 .and. exscan /= me * (me - 1) / 2 + i * me) call bad(19)
    l = me > 0
    call MPI_Allreduce(l, every, 1, MPI_LOGICAL, MPI_LOR, MPI_COMM_WORLD, err)
    if (every .neqv. n > 1) call bad(7)
  end do
  call MPI_Op_free(op, err)
  call MPI_Finalize(err)
contains
  subroutine bad(where)
    integer, intent(in) :: where
    integer :: e
    print *, 'wrong result in check', where
    call MPI_Abort(MPI_COMM_WORLD, 1, e)
  end subroutine bad
end program door_f08
